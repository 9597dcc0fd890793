"""Whose turn it is: one writes an upload at a time, and one whose line is dead does not keep others waiting."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus

from visomaster_host.workspace.exchange import Body, Refused

QUIET = 0.5
"""Seconds without a byte after which a writer has to go when another one asks. A line that lives is seldom so long
without one, and what had arrived counts.
"""
PATIENCE = 2.0
"""Seconds that one waits for one's turn."""


class Turn:
    """A writer's turn. `heard`: when a byte of it came, in seconds of time.monotonic()."""

    def __init__(self, body: Body | None) -> None:
        self._body = body
        self.heard = time.monotonic()

    def keep(self) -> None:
        """From here on this writer waits for no byte: nobody takes its turn."""
        self._body = None

    def end(self) -> None:
        """Tell the writer to come to an end, if it waits for bytes."""
        if self._body is not None:
            self._body.stop()

    @property
    def silent(self) -> float:
        """Seconds without a byte."""
        return time.monotonic() - self.heard


class Turns:
    """Who writes which upload."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._held: dict[str, Turn] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(
        self, name: str, body: Body | None = None, *, at_once: bool = False, patience: float = PATIENCE
    ) -> Iterator[Turn]:
        """Have the turn at the upload `name`. Whoever reads a `body` meanwhile may be told to end when nothing comes
        any more; `at_once`: the one before is told so without looking at that. Raises `Refused` where it goes on for
        longer than `patience` seconds.
        """
        turn = Turn(body)
        deadline = time.monotonic() + min(patience, self._patience)
        with self._changed:
            while (held := self._held.get(name)) is not None:
                if at_once or held.silent >= QUIET:
                    held.end()
                if (left := deadline - time.monotonic()) <= 0:
                    raise Refused(HTTPStatus.LOCKED, "somebody else is writing this upload: ask again")
                self._changed.wait(min(left, 0.1))
            self._held[name] = turn
        try:
            yield turn
        finally:
            with self._changed:
                del self._held[name]
                self._changed.notify_all()
