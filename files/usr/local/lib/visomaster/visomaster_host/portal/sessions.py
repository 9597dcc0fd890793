"""Who is logged in: one file for each session, which Caddy looks for.

A session is a cookie, random, for the pages below a path, `/~PATH/`, that follows from the token and cannot be guessed
either: cookies ignore ports, so one for `/` would be sent to whatever else listens on this address, which on a cloud is
another tenant. Neither alone opens anything. The session lives as long as its file, `PATH.COOKIE`: over restarts, until
it is ended, is `LASTS` seconds old, or the token is changed, which begins another folder and another path.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host.problems import going_on

LASTS = 7 * 24 * 3600
"""Seconds; the cookie's own time as well."""

MOST = 256
"""Sessions at one time; beginning another ends the oldest."""

NAME = re.compile(r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")
"""A session's file."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login of one browser."""

    path: str
    cookie: str = field(repr=False)

    @property
    def base(self) -> str:
        """Where its pages are."""
        return f"/~{self.path}"

    @property
    def name(self) -> str:
        """Its file's name."""
        return f"{self.path}.{self.cookie}"


class Sessions:
    """The sessions in `folder`, which belongs to this process, with their `path`; others beside it are of older tokens
    and go.
    """

    def __init__(self, folder: Path, path: str, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._path, self._clock = folder, path, clock
        with going_on("visomaster-portal", "nobody can log in until that is changed"), self._naming_no_session():
            self._make()
        with going_on("visomaster-portal", "sessions of older tokens stay there"), self._naming_no_session():
            self._forget_others()

    @contextlib.contextmanager
    def _naming_no_session(self) -> Iterator[None]:
        """An OSError names the folder of all sessions: what is below it is nothing for a log."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder.parent)) from None

    def _make(self) -> None:
        self._folder.mkdir(mode=0o711, exist_ok=True)  # Caddy may look for a name, and list none

    def _forget_others(self) -> None:
        for other in self._folder.parent.iterdir():
            if other.name != self._folder.name and other.is_dir():
                for file in other.iterdir():
                    file.unlink()
                other.rmdir()

    def begin(self) -> Session:
        """A new session. Raises OSError when its file cannot be made."""
        cookie = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode("ascii")
        session = Session(path=self._path, cookie=cookie)
        with self._naming_no_session():
            self._make()
            self._tidy(MOST - 1)
            os.close(os.open(self._folder / session.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return session

    def end(self, name: str) -> str | None:
        """End the session with the file `name`; where its pages were, None when that is no session's name. Raises
        OSError.
        """
        if not NAME.fullmatch(name):
            return None
        with self._naming_no_session():
            (self._folder / name).unlink(missing_ok=True)
        return f"/~{name.partition('.')[0]}"

    def tidy(self) -> None:
        """End the sessions that are over, and the oldest ones above `MOST`. Raises OSError."""
        with self._naming_no_session():
            self._tidy(MOST)

    def _tidy(self, most: int) -> None:
        ages: list[tuple[float, Path]] = []
        for file in self._files():
            with contextlib.suppress(FileNotFoundError):  # ended since the folder was read
                ages.append((self._clock() - file.stat().st_mtime, file))
        for place, (age, file) in enumerate(sorted(ages)):
            if place >= most or age >= LASTS:
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return [file for file in self._folder.iterdir() if NAME.fullmatch(file.name)]
