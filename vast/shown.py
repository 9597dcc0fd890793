"""What a person sees of a rental: lines that stay, and on a terminal one that changes."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from typing import TextIO

from visomaster_host.colours import Colour, coloured
from visomaster_host.summary import Summary
from visomaster_host.text import brief, printable

CALM = 30.0
"""Seconds between two lines about the same wait where nobody sits at a terminal."""


class Screen:
    """Where it is written. A terminal that is gone keeps nothing from being done, least of all a box from its end."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `stream`."""
        self._stream, self._clock = stream, clock
        self.is_terminal = False
        with contextlib.suppress(OSError, ValueError):
            self.is_terminal = stream.isatty()
        self._changing = False
        self._shown: tuple[str, float] = ("", -CALM)

    def say(self, line: str) -> None:
        """One line that stays."""
        self._write(f"{self._wipe()}{printable(line)}\n")

    def bad(self, line: str) -> None:
        """As `say`, red on a terminal."""
        self.row(line, Colour.RED)

    def row(self, line: str, colour: Colour | None) -> None:
        """As `say`, in `colour` on a terminal that shows colours."""
        self._write(f"{self._wipe()}{coloured(line, colour, self._stream)}\n")

    def box(self, summary: Summary) -> None:
        """The box that a run ends with."""
        self._write(self._wipe())
        with contextlib.suppress(OSError, ValueError):
            summary.tell(self._stream)

    def now(self, what: str, since: str) -> None:
        """What happens (`what`), and for how long (`since`): over the last such line, or as one of a calm log."""
        if self.is_terminal:
            width = max(20, shutil.get_terminal_size().columns - 1)
            self._write(f"{self._wipe()}{brief(f'{since}  {what}', width)}")
            self._changing = True
        elif self._clock() - self._shown[1] >= (2 * CALM if what == self._shown[0] else CALM) or not self._same(what):
            self._shown = (what, self._clock())
            self._write(f"{printable(f'{since}  {what}')}\n")

    def _same(self, what: str) -> bool:
        return what.split(":")[0] == self._shown[0].split(":")[0]

    def _wipe(self) -> str:
        wiped, self._changing = ("\r\x1b[K" if self._changing else ""), False
        return wiped

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def lasted(seconds: float) -> str:
    """`seconds` as `7:05` or `1:07:05`."""
    hours, rest = divmod(int(seconds), 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
