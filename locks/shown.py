"""Programs of `operations.remote` that run here, not on a box: what they print is passed on as it may be shown."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TextIO

from visomaster_host.text import lines


class _Shown(io.TextIOBase):
    """Writes to `stream` what may be shown of a text."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write `text`, made printable."""
        return self._stream.write(lines(text))

    def flush(self) -> None:
        """As the stream's."""
        self._stream.flush()


@contextlib.contextmanager
def passed_on() -> Iterator[None]:
    """Both standard streams of this process, or of the function it decorates, show no more than text."""
    with contextlib.redirect_stdout(_Shown(sys.stdout)), contextlib.redirect_stderr(_Shown(sys.stderr)):
        yield
