"""One line that says what is waited for: on a terminal it changes in its place, elsewhere it is said when it does."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from visomaster_host.colours import is_terminal
from visomaster_host.text import brief, printable

WAITING = "waiting: "
"""How the line begins."""


class Waiting:
    """The line, on `stream`; one that cannot be written to is no reason to end."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to wait now, by `clock`."""
        self._stream, self._clock, self._begun = stream, clock, clock()
        self._is_terminal = is_terminal(stream)
        self._last = ""

    def show(self, missing: Sequence[str]) -> None:
        """Say what is `missing`, by its names."""
        text = f"{WAITING}{', '.join(map(printable, missing))}"
        if self._is_terminal:
            width = max(20, shutil.get_terminal_size().columns - 1)
            self._write(f"\r\x1b[K{brief(f'{text} … {self._clock() - self._begun:.0f} s', width)}")
        elif text != self._last:
            self._write(f"{text}\n")
        self._last = text

    def end(self) -> None:
        """Take the line away where it can be."""
        if self._is_terminal and self._last:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
