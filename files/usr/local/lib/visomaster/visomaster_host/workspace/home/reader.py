"""A zip from anywhere, read by its directory: what is not just as we would write it is refused in one line.

Python's own `zipfile` takes more: files that lie over one another, that are longer than they say, that stand there
twice. APPNOTE.TXT of PKWARE has the format; numbers in brackets are its sections.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from visomaster_host.workspace.home.manifest import MOST_BYTES, MOST_FILES, OUT, STATE, checked, refused
from visomaster_host.workspace.home.manifest import NAME as MANIFEST

_END = struct.Struct("<4s4H2LH")  # 4.3.16
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # 4.3.12
_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_LONGEST_COMMENT = 0xFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 1 | 1 << 6 | 1 << 13  # 4.4.4
_FULL = 0xFFFFFFFF
"""A number that stands in the extra field instead."""
_ZIP64 = 1
"""The kind of that extra field (4.5.3)."""
_PIECE = 256 * 1024


@dataclass(frozen=True)
class Entry:
    """A file or a folder in the zip, by what its directory says. `end` is where the next one begins."""

    path: str
    folder: bool
    raw: bytes
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    end: int


class Zip:
    """The zip that the descriptor `file` reads; `entries` by their paths. Raises `Refused`, OSError."""

    def __init__(self, file: int) -> None:
        self._file = file
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise refused("expected a file that is a zip")
        self._size = status.st_size
        begin, length, count = self._directory()
        self.entries = self._read(begin, length, count)

    def _bytes(self, offset: int, length: int) -> bytes:
        found = os.pread(self._file, length, offset) if offset >= 0 else b""
        if len(found) != length:
            raise refused("is no whole zip: its end is missing")
        return found

    def _directory(self) -> tuple[int, int, int]:
        """Where the directory begins, how many bytes it has, and how many entries."""
        tail = min(self._size, _END.size + _LONGEST_COMMENT)
        last = self._bytes(self._size - tail, tail)
        at = last.rfind(b"PK\5\6")
        if at < 0 or at + _END.size > tail:
            raise refused("is no whole zip: its end is missing")
        _, disk, first, here, count, length, begin, comment = _END.unpack_from(last, at)
        end = self._size - tail + at
        if end + _END.size + comment != self._size:
            raise refused("is no whole zip: something follows its end, or is missing there")
        if _FULL in (length, begin) or 0xFFFF in (here, count):
            end, disk, first, here, count, length, begin = self._directory64(end)
        if disk or first or here != count:
            raise refused("is one part of several: expected a whole zip")
        if count > MOST_FILES or length > MOST_BYTES:
            raise refused(f"holds too much: expected at most {MOST_FILES} files, got {count}")
        if begin + length != end:
            raise refused("is no whole zip: its directory is not where it should be")
        return begin, length, count

    def _directory64(self, end: int) -> tuple[int, int, int, int, int, int, int]:
        where = end - _LOCATOR.size
        mark, disk, at, disks = _LOCATOR.unpack(self._bytes(where, _LOCATOR.size))
        if mark != b"PK\6\7" or disk or disks > 1 or at + _END64.size != where:
            raise refused("is no whole zip: its directory is not where it should be")
        found = _END64.unpack(self._bytes(at, _END64.size))
        if found[0] != b"PK\6\6":
            raise refused("is no whole zip: its directory is not where it should be")
        return (at, *found[4:10])

    def _read(self, begin: int, length: int, count: int) -> dict[str, Entry]:
        directory = self._bytes(begin, length)
        entries: dict[str, Entry] = {}
        at = 0
        while at < length:
            entry, at = _entry(directory, at)
            if entry.path in entries:
                raise refused(f"{entry.path!r} stands in the zip twice")
            entries[entry.path] = entry
        if len(entries) != count:
            raise refused(f"is no whole zip: expected {count} files, got {len(entries)}")
        _require_tree(entries)
        return _apart(entries, begin)

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """The content of `entry`, piece by piece. Raises `Refused` at the first byte too many, and at the end where it
        is not what the directory says.
        """
        crc = size = 0
        for piece in self._unpacked(entry):
            size += len(piece)
            if size > entry.size:
                raise refused(f"{entry.path!r} in the zip: is larger than the zip says")
            crc = zlib.crc32(piece, crc)
            yield piece
        if (size, crc) != (entry.size, entry.crc):
            raise refused(f"{entry.path!r} in the zip: is damaged")

    def _unpacked(self, entry: Entry) -> Iterator[bytes]:
        if entry.method == _STORED:
            yield from self._packed(entry)
            return
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._packed(entry):
                while (piece := inflater.decompress(packed, _PIECE)) or inflater.unconsumed_tail:
                    yield piece
                    packed = inflater.unconsumed_tail
                if inflater.unused_data:
                    break
        except zlib.error:
            raise refused(f"{entry.path!r} in the zip: is damaged") from None
        if not inflater.eof or inflater.unused_data:
            raise refused(f"{entry.path!r} in the zip: is damaged")

    def _packed(self, entry: Entry) -> Iterator[bytes]:
        head = _LOCAL.unpack(self._bytes(entry.offset, _LOCAL.size))
        mark, flags, method, name, extra = head[0], head[2], head[3], head[9], head[10]
        raw = self._bytes(entry.offset + _LOCAL.size, name)
        if mark != b"PK\3\4" or flags & _ENCRYPTED or method != entry.method or raw != entry.raw:
            raise refused(f"{entry.path!r} in the zip: is not what the zip's directory says")
        at = entry.offset + _LOCAL.size + name + extra
        end = at + entry.packed
        if end > entry.end:
            raise refused(f"{entry.path!r} in the zip: lies over another file")
        while at < end:
            piece = self._bytes(at, min(_PIECE, end - at))
            at += len(piece)
            yield piece


def _entry(directory: bytes, at: int) -> tuple[Entry, int]:
    """The entry at `at` of the directory, and where the next one is."""
    try:
        fields = _CENTRAL.unpack_from(directory, at)
    except struct.error:
        raise refused("is no whole zip: its directory is cut off") from None
    mark, flags, method, crc, packed, size = fields[0], fields[3], fields[4], fields[7], fields[8], fields[9]
    begin = at + _CENTRAL.size
    middle, end = begin + fields[10], begin + fields[10] + fields[11] + fields[12]
    if mark != b"PK\1\2" or end > len(directory):
        raise refused("is no whole zip: its directory is cut off")
    raw = directory[begin:middle]
    path, folder = _path(raw, fields[15] >> 16)
    if flags & _ENCRYPTED:
        raise refused(f"{path!r} in the zip: is encrypted")
    if method not in (_STORED, _DEFLATED):
        raise refused(f"{path!r} in the zip: expected it stored or deflated, got method {method}")
    extra = directory[middle : middle + fields[11]]
    size, packed, offset = _sizes(path, extra, [size, packed, fields[16]])
    if (folder and size) or (method == _STORED and size != packed):
        raise refused(f"{path!r} in the zip: its sizes differ")
    return Entry(path, folder, raw, method, crc, packed, size, offset, offset), end


def _path(raw: bytes, mode: int) -> tuple[str, bool]:
    """The path that a name in the zip is, and whether it is a folder's."""
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise refused(f"{raw!r} in the zip: expected a name in UTF-8") from None
    folder = name.endswith("/")
    path = name.removesuffix("/")
    if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        raise refused(f"{name!r} in the zip: expected a file or a folder, got a link or something else")
    if path != MANIFEST and not (folder and path in (STATE, OUT)):
        checked(path)
    return path, folder


def _sizes(path: str, extra: bytes, found: list[int]) -> list[int]:
    """Size, packed size and offset: those that are `_FULL` stand in the extra field, in this order."""
    missing = [place for place, number in enumerate(found) if number == _FULL]
    while missing and len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _ZIP64 and 8 * len(missing) <= length <= len(extra) - 4:
            for place, number in zip(missing, struct.unpack_from(f"<{len(missing)}Q", extra, 4), strict=True):
                found[place] = number
            return found
        extra = extra[4 + length :]
    if missing:
        raise refused(f"{path!r} in the zip: its sizes are missing")
    return found


def _require_tree(entries: dict[str, Entry]) -> None:
    """No file may be a folder of others, too."""
    for path in entries:
        for at, letter in enumerate(path):
            above = entries.get(path[:at]) if letter == "/" else None
            if above is not None and not above.folder:
                raise refused(f"{above.path!r} in the zip: is a file and a folder")


def _apart(entries: dict[str, Entry], begin: int) -> dict[str, Entry]:
    """The entries, each with where it has to end. Refused where two lie over one another."""
    ordered = sorted(entries.values(), key=lambda entry: entry.offset)
    ends = [*(entry.offset for entry in ordered), begin][1:]
    for one, end in zip(ordered, ends, strict=True):
        if one.offset + _LOCAL.size + len(one.raw) + one.packed > end:
            raise refused(f"{one.path!r} in the zip: lies over another file")
    return {one.path: replace(one, end=end) for one, end in zip(ordered, ends, strict=True)}
