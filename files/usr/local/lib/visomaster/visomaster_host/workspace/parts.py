"""The part file of one upload: bytes go into it as they arrive, and count when they are on disk.

Adversaries: a line that breaks and a process that is killed anywhere, a machine that loses its power, a disk that fills
up, and a program of the same user that writes into our files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from visomaster_host.beneath import Folder
from visomaster_host.workspace.pieces import MOST_LINES, Journal, Line
from visomaster_host.workspace.space import space

if TYPE_CHECKING:
    from hashlib import _Hash

PIECE = 8 * 1024 * 1024
"""Bytes after which a piece ends and goes to disk, while further ones arrive."""
OLDEST = 1.0
"""Seconds after which a piece ends, full or not: what a kill may cost on a slow line."""
BUFFER = 128 * 1024
"""Bytes that are read at once: there may be many who read, and more at once was no quicker."""
_BEHIND = 2
"""Pieces that may wait to go to disk, so that what arrives does not run away from it."""


class Damaged(Exception):
    """What lies in the part is not what arrived, from `offset` on; `lines` of the journal are before it."""

    def __init__(self, lines: int, offset: int) -> None:
        super().__init__(f"from byte {offset} on it is not what arrived")
        self.lines, self.offset = lines, offset


@dataclass
class Progress:
    """How far an upload is: `offset` bytes and `lines` of the journal are on disk; `hash` is that of the bytes from
    `chain` on. `touched`: when somebody last wanted it, in seconds of time.monotonic().
    """

    offset: int = 0
    lines: int = 0
    chain: int = 0
    hash: _Hash = field(default_factory=hashlib.sha256)
    touched: float = field(default_factory=time.monotonic)

    def snapshot(self) -> Progress:
        """This moment's, to go back to."""
        return Progress(self.offset, self.lines, self.chain, self.hash.copy())


def files_of(name: str) -> tuple[str, str]:
    """What the part and the journal of the upload `name` are called."""
    return f"{name}.part", f"{name}.pieces"


class Part:
    """The open part of the upload `name`, which is to have `size` bytes, in `folder`. One thread has it at a time.
    `progress` is that of last time, if it is known. Raises OSError.
    """

    def __init__(self, folder: Folder, name: str, size: int, progress: Progress | None = None) -> None:
        part, journal = files_of(name)
        self.size = size
        self._path = str(folder.path / part)
        with contextlib.ExitStack() as opened:
            self._file = folder.open_file(part, os.O_RDWR)
            opened.callback(os.close, self._file)
            journal_file = folder.open_file(journal, os.O_RDWR | os.O_CREAT)
            opened.callback(os.close, journal_file)
            if os.fstat(journal_file).st_nlink > 1:  # who gave it another one would find it changed
                raise OSError(errno.EMLINK, "has a second name", str(folder.path / journal))
            self._journal = Journal(journal_file)
            self.progress = progress if progress is not None and self._fits(progress) else self._recovered()
            self._end = self._cut = self.progress.offset
            if os.fstat(self._file).st_size > self._end and not self.has_another_name:
                os.ftruncate(self._file, self._end)  # what nobody has acknowledged
            self._since = 0.0
            self._behind: _Behind | None = None
            self._opened = opened.pop_all()

    def __enter__(self) -> Part:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._behind is not None:  # nobody may use a descriptor that is closed
            with contextlib.suppress(OSError):
                self._behind.end()
        self._opened.close()

    @property
    def descriptor(self) -> int:
        """That of the part."""
        return self._file

    @property
    def offset(self) -> int:
        """How many bytes are on disk."""
        return self.progress.offset

    @property
    def complete(self) -> bool:
        """Whether all bytes have arrived."""
        return self._end == self.size

    @property
    def has_another_name(self) -> bool:
        """Whether it has been given its name already: nothing may be written into it any more."""
        return os.fstat(self._file).st_nlink > 1

    def _fits(self, progress: Progress) -> bool:
        return self._journal.holds(progress.lines) and os.fstat(self._file).st_size >= progress.offset

    def _recovered(self) -> Progress:
        lines, offset = self._journal.last(min(self.size, os.fstat(self._file).st_size))
        if not self._journal.holds(lines):
            self._journal.cut(lines)
        return Progress(offset=offset, lines=lines, chain=offset)

    # -- bytes arrive

    def append(self, data: memoryview) -> None:
        """Take in the next bytes. Raises OSError; that there is no room, too, while the reserve is left."""
        now = self.progress.touched = time.monotonic()
        if self._cut < self._end and (self._end - self._cut >= PIECE or now - self._since >= OLDEST):
            self._behind = self._behind or _Behind(self._put)
            self._behind.add(self._piece())
        if self._cut == self._end:
            self._since = now
        if space(self._file).room < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        while data:
            written = os.pwrite(self._file, data, self._end)
            self.progress.hash.update(data[:written])
            self._end += written
            data = data[written:]

    def _piece(self) -> Line:
        self._cut = self._end
        return Line(self.progress.chain, self._end, self.progress.hash.digest())

    def _put(self, line: Line) -> None:
        """Put a piece on disk: bytes first, then what the journal says of them."""
        os.fdatasync(self._file)
        self._write_down(line)
        self._journal.sync()
        self.progress.offset = line.end

    def _write_down(self, line: Line) -> None:
        if self.progress.lines >= MOST_LINES:
            raise OSError(errno.EFBIG, "arrived in too many pieces: begin anew with larger ones", self._path)
        self.progress.lines = self._journal.add(self.progress.lines, line)

    def settle(self) -> None:
        """Put on disk what has arrived. What is complete needs no more than that it is written: it is read once more
        before it counts. Raises OSError, and all that is not on disk has not arrived then.
        """
        try:
            if self._behind is not None:
                self._behind.end()
            if self._cut < self._end:
                (self._write_down if self.complete else self._put)(self._piece())
                self.progress.offset = self._end
        except Exception:
            self.go_back(Progress(self.offset, self.progress.lines, self.offset))
            raise
        finally:
            self._behind = None

    def go_back(self, progress: Progress) -> None:
        """What is behind `progress` has not arrived: the journal forgets it first. Raises OSError."""
        self.progress.offset, self.progress.lines = progress.offset, progress.lines
        self.progress.chain, self.progress.hash = progress.chain, progress.hash
        self._end = self._cut = progress.offset
        self._journal.cut(progress.lines)
        self._journal.sync()
        os.ftruncate(self._file, progress.offset)

    # -- all has arrived

    def require_intact(self) -> str:
        """Read it once more; returns its sha256. Raises `Damaged` where a piece is not what arrived, and OSError."""
        whole = running = hashlib.sha256()
        chain = at = count = 0
        buffer = memoryview(bytearray(BUFFER))
        for line in self._journal.lines(self.progress.lines):
            if line is None or line.end <= at or line.end > self.size or line.chain not in (chain, at):
                raise Damaged(count, at)
            if line.chain != chain:
                chain, running = at, hashlib.sha256()
            hashes = (whole,) if running is whole else (whole, running)
            if not self._hash(hashes, buffer, at, line.end) or running.digest() != line.digest:
                raise Damaged(count, at)
            count, at = count + 1, line.end
        if at != self.size or os.fstat(self._file).st_size != self.size:
            raise Damaged(count, at)
        return whole.hexdigest()

    def _hash(self, hashes: tuple[_Hash, ...], buffer: memoryview, start: int, end: int) -> bool:
        """Take the bytes between into `hashes`; False where there are fewer."""
        while start < end:
            got = os.preadv(self._file, [buffer[: end - start]], start)
            if got == 0:
                return False
            for each in hashes:
                each.update(buffer[:got])
            start += got
        return True


class _Behind:
    """Does `act` with one piece after the other in a thread of its own."""

    def __init__(self, act: Callable[[Line], None]) -> None:
        self._act = act
        self._waiting: queue.Queue[Line | None] = queue.Queue(_BEHIND)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, line: Line) -> None:
        """Have it done. Raises what an earlier one raised."""
        if self._error is not None:
            raise self._error
        self._waiting.put(line)

    def end(self) -> None:
        """Wait until all is done. Raises what the first of them raised that did."""
        self._waiting.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    self._act(line)
                except Exception as error:  # of whatever kind: who waits for us must not do so for ever
                    self._error = error
