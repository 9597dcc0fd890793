"""A zip whose length is known before a byte of it is read: nothing is compressed, videos are already.

As APPNOTE.TXT 6.3.10 of PKWARE has it: names in UTF-8, checksums behind the contents, Zip64 where a number needs more
than 32 bits, times in UTC beside those of DOS.
"""

from __future__ import annotations

import struct
import time
import zlib
from array import array
from collections.abc import Callable, Iterable

MOST_NAME = 0xFFFF
"""Bytes of a member's name, with its folders."""

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_BEHIND, _BEHIND_64 = struct.Struct("<4s3I"), struct.Struct("<4sI2Q")
_SIZES_64 = struct.Struct("<2H2Q")
_TIME = struct.Struct("<2HBi")
_END, _END_64, _PLACE_64 = struct.Struct("<4s4H2IH"), struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")

_MOST_16, _MOST_32 = 0xFFFF, 0xFFFFFFFF
_CHECKSUM_BEHIND, _UTF_8 = 0x0008, 0x0800
_UNIX = 3 << 8
_FOLDER, _FILE = 0o040755 << 16 | 0x10, 0o100644 << 16


class StoredZip:
    """What is to be in a zip, in order, then the zip. It takes some 130 bytes of memory a member."""

    def __init__(self) -> None:
        self._names: list[bytes] = []
        self._sizes, self._times, self._checksums = array("Q"), array("q"), array("I")
        self._body = self._central = 0  # bytes

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str, *, size: int = 0, modified: float) -> None:
        """A member: `name` with / between folders, and at the end of a folder's; `size` in bytes, `modified` in seconds
        since 1970. Raises ValueError for a name of more than 64 KiB.
        """
        encoded = name.encode()
        if len(encoded) > MOST_NAME:
            raise ValueError(f"{name[:40]}…: expected a name of at most {MOST_NAME} bytes")
        offset = self._body
        self._names.append(encoded)
        self._sizes.append(size)
        self._times.append(min(max(int(modified), 0), 2**31 - 1))
        self._body += len(self._local(len(self) - 1)) + size + len(self._behind(len(self) - 1, 0))
        self._central += len(self._entry(len(self) - 1, offset, 0))

    def name(self, index: int) -> str:
        """The name of member `index`."""
        return self._names[index].decode()

    def size(self, index: int) -> int:
        """The bytes of member `index`."""
        return self._sizes[index]

    @property
    def length(self) -> int:
        """Bytes of the whole zip."""
        return self._body + self._central + len(self._end())

    def write(
        self, output: Callable[[bytes | memoryview], object], content: Callable[[int], Iterable[memoryview]]
    ) -> None:
        """Give the zip to `output`, piece by piece; `content` gives the pieces of a member by its index. Raises what
        these raise, and ConnectionAbortedError where a content has not the size that was said: what was written until
        then is no zip.
        """
        self._checksums = array("I")
        for index, size in enumerate(self._sizes):
            output(self._local(index))
            checksum = 0
            for piece in content(index) if not self._is_folder(index) else ():
                size -= len(piece)
                if size < 0:
                    break
                checksum = zlib.crc32(piece, checksum)
                output(piece)
            if size:
                raise ConnectionAbortedError(f"{self.name(index)}: has another size than before")
            self._checksums.append(checksum)
            output(self._behind(index, checksum))
        self._write_central(output)

    def _write_central(self, output: Callable[[bytes | memoryview], object]) -> None:
        offset = 0
        for index, checksum in enumerate(self._checksums):
            output(self._entry(index, offset, checksum))
            offset += len(self._local(index)) + self._sizes[index] + len(self._behind(index, 0))
        output(self._end())

    def _is_folder(self, index: int) -> bool:
        return self._names[index].endswith(b"/")

    def _local(self, index: int) -> bytes:
        name, size = self._names[index], self._sizes[index]
        large = size >= _MOST_32
        extra = self._time(index) + (_SIZES_64.pack(1, 16, 0, 0) if large else b"")
        said = _MOST_32 if large else 0
        clock, day = _dos(self._times[index])
        needs, flags = 45 if large else 20, self._flags(index)
        head = _LOCAL.pack(b"PK\3\4", needs, flags, 0, clock, day, 0, said, said, len(name), len(extra))
        return head + name + extra

    def _behind(self, index: int, checksum: int) -> bytes:
        """What follows the content."""
        size = self._sizes[index]
        if self._is_folder(index):
            return b""
        return (_BEHIND_64 if size >= _MOST_32 else _BEHIND).pack(b"PK\7\10", checksum, size, size)

    def _entry(self, index: int, offset: int, checksum: int) -> bytes:
        """The member's entry in the central directory."""
        name, size = self._names[index], self._sizes[index]
        wide = [size, size] if size >= _MOST_32 else []
        wide += [offset] if offset >= _MOST_32 else []
        extra = self._time(index) + (struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b"")
        said = min(size, _MOST_32)
        clock, day = _dos(self._times[index])
        needs, flags = 45 if wide else 20, self._flags(index)
        kind = _FOLDER if self._is_folder(index) else _FILE
        numbers = (
            _UNIX | needs,
            needs,
            flags,
            0,
            clock,
            day,
            checksum,
            said,
            said,
            len(name),
            len(extra),
            0,
            0,
            0,
            kind,
        )
        return _CENTRAL.pack(b"PK\1\2", *numbers, min(offset, _MOST_32)) + name + extra

    def _end(self) -> bytes:
        count, size, offset = len(self), self._central, self._body
        wide = b""
        if count >= _MOST_16 or max(size, offset) >= _MOST_32:
            wide = _END_64.pack(b"PK\6\6", _END_64.size - 12, _UNIX | 45, 45, 0, 0, count, count, size, offset)
            wide += _PLACE_64.pack(b"PK\6\7", 0, offset + size, 1)
        few = min(count, _MOST_16)
        return wide + _END.pack(b"PK\5\6", 0, 0, few, few, min(size, _MOST_32), min(offset, _MOST_32), 0)

    def _flags(self, index: int) -> int:
        return _UTF_8 if self._is_folder(index) else _UTF_8 | _CHECKSUM_BEHIND

    def _time(self, index: int) -> bytes:
        """The time of its last change, in an extra field as Info-ZIP writes it."""
        return _TIME.pack(0x5455, 5, 1, self._times[index])


def _dos(seconds: int) -> tuple[int, int]:
    """Time and day as DOS has them, which begins in 1980 and counts every second second."""
    at = time.gmtime(max(seconds, 315532800))
    return at.tm_hour << 11 | at.tm_min << 5 | at.tm_sec // 2, (at.tm_year - 1980) << 9 | at.tm_mon << 5 | at.tm_mday
