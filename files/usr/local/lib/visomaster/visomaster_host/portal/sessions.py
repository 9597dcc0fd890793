"""Who is logged in: one file for each session, which Caddy looks for.

A session is a path and a cookie, both random. Its pages are below the path, `/~PATH/`, and so is the cookie: cookies
ignore ports, so one for `/` would be sent to whatever else listens on this address, which on a cloud is another
tenant. Neither alone opens anything. The session lives as long as its file, `PATH.COOKIE`: over restarts, until it is
ended, is `LASTS` seconds old, or the token is changed, which begins another folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LASTS = 7 * 24 * 3600
"""Seconds; the cookie's own time as well."""

MOST = 256
"""Sessions at one time; beginning another ends the oldest."""

PATH = re.compile(r"[A-Za-z0-9_-]{22}")
_FILE = re.compile(rf"{PATH.pattern}\.[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login of one browser."""

    path: str
    cookie: str = field(repr=False)

    @property
    def base(self) -> str:
        """Where its pages are."""
        return f"/~{self.path}"


class Sessions:
    """The sessions in `folder`, which belongs to this process; others beside it are of older tokens and go."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        folder.mkdir(mode=0o711, exist_ok=True)  # Caddy may look for a name, and list none
        for other in folder.parent.iterdir():
            if other.name != folder.name and other.is_dir():
                for file in other.iterdir():
                    file.unlink()
                other.rmdir()

    def begin(self) -> Session:
        """A new session."""
        self.tidy(MOST - 1)
        session = Session(path=secrets.token_urlsafe(16), cookie=secrets.token_urlsafe(32))
        name = self._folder / f"{session.path}.{session.cookie}"
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return session

    def end(self, path: str) -> None:
        """End the session of `path`, if there is one."""
        for file in self._files():
            if file.name.partition(".")[0] == path:
                file.unlink(missing_ok=True)

    def tidy(self, most: int = MOST) -> None:
        """End the sessions that are over, and the oldest ones above `most`."""
        ages: list[tuple[float, Path]] = []
        for file in self._files():
            with contextlib.suppress(FileNotFoundError):  # ended since the folder was read
                ages.append((self._clock() - file.stat().st_mtime, file))
        for place, (age, file) in enumerate(sorted(ages)):
            if place >= most or age >= LASTS:
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return [file for file in self._folder.iterdir() if _FILE.fullmatch(file.name)]
