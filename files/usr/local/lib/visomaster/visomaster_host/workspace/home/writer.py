"""A zip as it is streamed: stored, each file's checksum behind it, so that its length is known before a byte is read.

APPNOTE.TXT of PKWARE has the format; numbers in brackets are its sections.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass

_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # 4.3.12
_FLAGS = 1 << 3 | 1 << 11  # the checksum follows the data; names are UTF-8 (4.4.4)
_UNIX = 3 << 8
_FILE, _FOLDER = 0o100644 << 16, 0o040755 << 16 | 0x10
_FULL = 0xFFFFFFFF
_LONG = 45
"""The version of the format that has numbers of 8 bytes."""


@dataclass(frozen=True)
class _Written:
    name: bytes
    size: int
    crc: int
    stamp: tuple[int, int]
    offset: int


class Writer:
    """Gives the bytes that stand around the data of files, in order: `begin`, the data, `end`, and last `finish`."""

    def __init__(self) -> None:
        self.offset = 0
        self._written: list[_Written] = []
        self._current: tuple[bytes, int, tuple[int, int], int] | None = None

    def begin(self, path: str, size: int, modified: float) -> bytes:
        """What stands before `size` bytes of the file `path` (a folder's ends in `/`), modified then (s since 1970)."""
        name, stamp = path.encode(), _stamp(modified)
        extra = struct.pack("<2H2Q", 1, 16, 0, 0) if size >= _FULL else b""
        version, length = (_LONG, _FULL) if extra else (20, 0)
        head = _LOCAL.pack(b"PK\3\4", version, _FLAGS, 0, *stamp, 0, length, length, len(name), len(extra))
        self._current = (name, size, stamp, self.offset)
        return self._counted(head + name + extra, size)

    def end(self, crc: int) -> bytes:
        """What stands behind them."""
        assert self._current is not None  # noqa: S101 - for mypy
        name, size, stamp, offset = self._current
        self._written.append(_Written(name, size, crc, stamp, offset))
        return self._counted(struct.pack("<4sLQQ" if size >= _FULL else "<4s3L", b"PK\7\10", crc, size, size))

    def finish(self) -> bytes:
        """The directory, which ends the zip."""
        begin = self.offset
        directory = b"".join(map(_central, self._written))
        self.offset += len(directory)
        return directory + self._counted(_tail(begin, len(directory), len(self._written)))

    def _counted(self, around: bytes, data: int = 0) -> bytes:
        self.offset += len(around) + data
        return around


def _central(one: _Written) -> bytes:
    long = [number for number in (one.size, one.size, one.offset) if number >= _FULL]
    extra = struct.pack(f"<2H{len(long)}Q", 1, 8 * len(long), *long) if long else b""
    version = _LONG if long else 20
    size, offset = min(one.size, _FULL), min(one.offset, _FULL)
    attributes = _FOLDER if one.name.endswith(b"/") else _FILE
    lengths = (len(one.name), len(extra), 0)
    head = (b"PK\1\2", _UNIX | version, version, _FLAGS, 0, *one.stamp, one.crc, size, size, *lengths, 0, 0)
    return _CENTRAL.pack(*head, attributes, offset) + one.name + extra


def _tail(begin: int, length: int, count: int) -> bytes:
    """What stands behind the directory (4.3.14 to 4.3.16)."""
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), min(length, _FULL), min(begin, _FULL), 0
    )
    if count < 0xFFFF and length < _FULL and begin < _FULL:
        return end
    version = _UNIX | _LONG
    more = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, version, _LONG, 0, 0, count, count, length, begin)
    return more + struct.pack("<4sLQL", b"PK\6\7", 0, begin + length, 1) + end


def _stamp(modified: float) -> tuple[int, int]:
    """Time and date as DOS has them, of this host's time zone."""
    year, month, day, hour, minute, second, *_ = time.localtime(modified)
    if not 1980 <= year <= 2107:
        return 0, 1 << 5 | 1
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day
