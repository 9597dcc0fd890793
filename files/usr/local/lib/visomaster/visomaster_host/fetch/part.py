"""An unfinished file: `NAME.part` beside the target, and `NAME.part.map`, which says what of it is on disk.

The file is divided into units of UNIT bytes. Any number of connections may each fill units of their own; the map holds
how many bytes of each unit are written, updated after every write, so that a killed fetch loses at most one buffer per
connection. The sha256 is computed while the file grows: whoever extends the gapless beginning hashes it, from memory
when it can and from the page cache otherwise.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from visomaster_host.beneath import Folder
from visomaster_host.text import Told

# Largest single read. Every read costs several hand-overs of the interpreter's lock, so few large ones are fast: with
# 256 kB one whole fetch took a third more processor time than with 1 MB, with 2 MB a tenth less (`bench/fetch.py`).
BUFFER = 2 * 1024 * 1024
# What is hashed later is read back in smaller pieces: many files at once may do that, and memory is bounded.
READ_BACK = 256 * 1024
UNIT = 4 * 1024 * 1024
HEADER = 128


class Mismatch(Told):
    """What the server has is not the file the manifest names (length or hash)."""


class Part:
    """The bytes of one target that are on disk so far. `size` is None until somebody has said it."""

    def __init__(self, target: Path, sha256: str, size: int | None) -> None:
        """Open (and resume) the part of `target`, whose folder is there. Raises OSError."""
        self.target, self.sha256, self.size = target, sha256, size
        self.path = target.with_name(target.name + ".part")
        self.map_path = target.with_name(target.name + ".part.map")
        self._folder = Folder.open(target.parent)
        self._lock = threading.Lock()
        self._hash_lock = threading.Lock()
        self.done: list[int] = []
        self.received = 0
        with ExitStack() as opened:
            opened.callback(self._folder.close)
            self._file = _open(self._folder, self.path.name)
            opened.callback(os.close, self._file)
            self._map = _open(self._folder, self.map_path.name)
            opened.pop_all()
        self._restart_hash()
        if not self._resume():
            self.reset(size)

    # -- what is there

    def unit_length(self, unit: int) -> int:
        """Bytes in unit number `unit`."""
        return UNIT if self.size is None else min(UNIT, self.size - unit * UNIT)

    @property
    def complete(self) -> bool:
        """Every byte is written (False while the size is unknown)."""
        return self.size is not None and self.received == self.size

    def frontier(self, unit: int = 0) -> int:
        """The end of the gapless bytes that begin at unit number `unit`."""
        while unit < len(self.done) and self.done[unit] == self.unit_length(unit):
            unit += 1
        end = unit * UNIT + (self.done[unit] if unit < len(self.done) else 0)
        return end if self.size is None else min(end, self.size)

    # -- writing

    def set_size(self, size: int) -> None:
        """The size has become known. Raises Mismatch when more than that is here already."""
        units = -(-size // UNIT)
        if any(self.done[units:]) or any(d > min(UNIT, size - u * UNIT) for u, d in enumerate(self.done[:units])):
            raise Mismatch(f"the server has {size} bytes, {self.received} have arrived before")
        with self._lock:
            self.size = size
            self.done = self.done[:units] + [0] * (units - len(self.done))
            os.pwrite(self._map, self._header(), 0)
            os.ftruncate(self._file, size)

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`, note it in the map, and hash what has become gapless. Raises OSError, Mismatch."""
        if self.size is not None and offset + len(data) > self.size:
            raise Mismatch(f"the server sends more than {self.size} bytes")
        _pwrite_all(self._file, data, offset)
        self._note(offset, len(data))
        if self._hash_lock.acquire(blocking=False):
            try:
                if offset == self._hashed:
                    self._sha.update(data)
                    self._hashed += len(data)
                self._catch_up()
            finally:
                self._hash_lock.release()

    def _note(self, offset: int, length: int) -> None:
        with self._lock:
            while length:
                unit, inside = divmod(offset, UNIT)
                step = min(length, UNIT - inside)
                self.done += [0] * (unit + 1 - len(self.done))
                self.received += inside + step - self.done[unit]
                self.done[unit] = inside + step
                os.pwrite(self._map, struct.pack("<Q", inside + step), HEADER + 8 * unit)
                offset, length = offset + step, length - step

    def keep_prefix(self) -> None:
        """Forget the bytes behind the first gap: one connection will fill the rest in order."""
        with self._lock:
            last = self.frontier() // UNIT
            for unit in range(last + 1, len(self.done)):
                self.done[unit] = 0
            self.received = sum(self.done)
            os.pwrite(self._map, struct.pack(f"<{len(self.done)}Q", *self.done), HEADER)

    def reset(self, size: int | None) -> None:
        """Start over with nothing."""
        with self._lock, self._hash_lock:
            self.size = size
            self.done = [] if size is None else [0] * -(-size // UNIT)
            self.received = 0
            os.ftruncate(self._map, 0)
            os.ftruncate(self._file, 0)
            os.pwrite(self._map, self._header(), 0)
            if size is not None:
                os.ftruncate(self._file, size)
            self._restart_hash()

    # -- the end

    def prove(self) -> None:
        """Hash what is not hashed yet and compare. Raises Mismatch."""
        with self._hash_lock:
            self._catch_up()
            if self._hashed != self.size or self._sha.hexdigest() != self.sha256:
                raise Mismatch(f"its sha256 is {self._sha.hexdigest()}, expected {self.sha256}")

    def publish(self) -> os.stat_result:
        """Make the proven file durable and give it its name; the old file of that name lives until then."""
        os.fchmod(self._file, 0o644)
        os.fsync(self._file)
        self._folder.rename(self.path.name, self.target.name)
        status, named = os.fstat(self._file), self._folder.status(self.target.name)
        if named is None or (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino):
            raise OSError(errno.EPERM, "somebody else has exchanged the file", str(self.target))
        self._folder.remove(self.map_path.name)
        self._folder.sync()
        return status

    def close(self) -> None:
        """Close the files; they stay for the next time. What was published is on the disk before."""
        for descriptor in (self._file, self._map, self._folder.descriptor):
            with suppress(OSError):  # a share that is full, or gone, says so only now
                os.close(descriptor)

    # -- inside

    def _restart_hash(self) -> None:
        self._sha = hashlib.sha256()
        self._hashed = 0

    def _catch_up(self) -> None:
        """Hash everything gapless that is not hashed yet (the caller holds the hash lock)."""
        end = self.frontier(self._hashed // UNIT)
        while self._hashed < end:
            data = os.pread(self._file, min(READ_BACK, end - self._hashed), self._hashed)
            if not data:
                raise OSError(errno.EIO, "the unfinished file became shorter", str(self.path))
            self._sha.update(data)
            self._hashed += len(data)
            if self._hashed == end:
                end = self.frontier(self._hashed // UNIT)

    def _header(self) -> bytes:
        size = "-" if self.size is None else str(self.size)
        return f"visomaster-part 1 {self.sha256} {UNIT} {size} ".encode().ljust(HEADER - 1) + b"\n"

    def _resume(self) -> bool:
        """Take over what an earlier fetch left; False when there is nothing usable."""
        stored = os.pread(self._map, HEADER, 0)
        if len(stored) != HEADER or stored[-1:] != b"\n":
            return False
        word, version, sha256, unit, size = (stored.decode("ascii", "replace").split() + [""] * 5)[:5]
        if (word, version, sha256, unit) != ("visomaster-part", "1", self.sha256, str(UNIT)):
            return False
        known = int(size) if size.isdecimal() else None
        if self.size is not None and known not in (None, self.size):
            return False
        counts = os.pread(self._map, os.fstat(self._map).st_size - HEADER, HEADER)
        done = [count for (count,) in struct.iter_unpack("<Q", counts[: len(counts) // 8 * 8])]
        return self._take(done, self.size if known is None else known)

    def _take(self, done: list[int], size: int | None) -> bool:
        self.size = size
        if size is not None:
            units = -(-size // UNIT)
            done = (done + [0] * units)[:units] if not any(done[units:]) else [UNIT + 1]
        on_disk = os.fstat(self._file).st_size
        good = all(
            count <= self.unit_length(unit) and (not count or unit * UNIT + count <= on_disk)
            for unit, count in enumerate(done)
        )
        if not good:
            return False
        self.done, self.received = done, sum(done)
        return True


def is_own(status: os.stat_result) -> bool:
    """Whether a regular file is ours alone: nobody else may write to it, or knows it by another name."""
    ours = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(status.st_mode) and ours and status.st_nlink == 1


def _open(folder: Folder, name: str) -> int:
    """Open for reading and writing. What is not ours, a link or a file that others may change, is removed first:
    bytes are hashed as they arrive, and must then stay as they are.
    """
    status = folder.status(name)
    if status is not None and not is_own(status):
        folder.remove(name)
    descriptor = folder.open_file(name, os.O_RDWR | os.O_CREAT, 0o644)
    if not is_own(os.fstat(descriptor)):
        os.close(descriptor)
        raise OSError(errno.EPERM, "somebody else has exchanged the file", str(folder.path / name))
    return descriptor


def _pwrite_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def discard_part(target: Path) -> None:
    """Remove what an unfinished fetch of `target` left. Raises OSError."""
    with suppress(FileNotFoundError, NotADirectoryError), Folder.open(target.parent) as folder:
        for suffix in (".part", ".part.map"):
            folder.remove(target.name + suffix)
