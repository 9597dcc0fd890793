"""The journal of one upload: what of its part file is on disk, piece by piece, and the bytes' sha256 as they arrived.

A line is added when the bytes it is about are on disk. So what stands in the journal may be acknowledged, what lies in
the part behind its last line never was, and a piece that is not any more what arrived is found. The digests of a chain
are of all its bytes up to the end of each piece: one hash for arriving bytes makes a digest for each piece and that of
the whole file. A chain begins anew where the service was started anew, since a hash cannot be kept on disk.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MOST_LINES = 500_000
"""Pieces of one upload; a file of 10 GB in pieces of 8 MiB has 1,200."""

_BODY = re.compile(rb"([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{64}) ")
_LENGTH = 16 + 1 + 16 + 1 + 64 + 1 + 8 + 1
_AT_ONCE = 512  # lines
_MOST_BROKEN = 10_000
"""Lines at the end that are looked at for a good one: a power cut leaves some, not more."""


@dataclass(frozen=True)
class Line:
    """A piece that ends at `end`, where the bytes of the part from `chain` on have this digest. Offsets in bytes."""

    chain: int
    end: int
    digest: bytes

    def __bytes__(self) -> bytes:
        body = b"%016x %016x %s " % (self.chain, self.end, self.digest.hex().encode())
        return b"%s%08x\n" % (body, zlib.crc32(body))

    @classmethod
    def parse(cls, written: bytes) -> Line | None:
        """What `__bytes__` made; None for anything else, as a line that a power cut left unfinished."""
        found = _BODY.match(written)
        if not found or written != found[0] + b"%08x\n" % zlib.crc32(found[0]):
            return None
        line = cls(int(found[1], 16), int(found[2], 16), bytes.fromhex(found[3].decode()))
        return line if line.chain < line.end else None


class Journal:
    """The journal in an open file."""

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor

    @property
    def bytes(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._file).st_size

    def last(self, most: int) -> tuple[int, int]:
        """How many lines stand, and where the last of them ends: the newest good one that ends within `most` bytes.
        (0, 0) where there is none, or the file is none of ours.
        """
        lines = self.bytes // _LENGTH
        if lines > MOST_LINES:
            return 0, 0
        for count in range(lines, max(0, lines - _MOST_BROKEN), -1):
            line = Line.parse(os.pread(self._file, _LENGTH, (count - 1) * _LENGTH))
            if line is not None and line.end <= most:
                return count, line.end
        return 0, 0

    def holds(self, count: int) -> bool:
        """Whether it is as long as `count` lines."""
        return self.bytes == count * _LENGTH

    def lines(self, most: int) -> Iterator[Line | None]:
        """The first `most` lines; None for one that is broken."""
        for first in range(0, most, _AT_ONCE):
            count = min(_AT_ONCE, most - first)
            block = os.pread(self._file, count * _LENGTH, first * _LENGTH)
            for start in range(0, count * _LENGTH, _LENGTH):
                yield Line.parse(block[start : start + _LENGTH])

    def add(self, count: int, line: Line) -> int:
        """Write `line` behind the first `count`, which is how many there are; returns how many there are then. It is
        not on disk yet (`sync`). Raises OSError, and ends behind the first `count` then.
        """
        data, at = bytes(line), count * _LENGTH
        try:
            while data:
                written = os.pwrite(self._file, data, at)
                data, at = data[written:], at + written
        except OSError:
            self.cut(count)
            raise
        return count + 1

    def cut(self, count: int) -> None:
        """Forget all but the first `count` lines. Raises OSError."""
        os.ftruncate(self._file, count * _LENGTH)

    def sync(self) -> None:
        """Put it on disk. Raises OSError."""
        os.fdatasync(self._file)
