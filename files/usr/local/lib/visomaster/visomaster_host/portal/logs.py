"""The host's logs as the portal shows them: two folders, read only, nothing above, no link out."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from visomaster_host import paths, stand_ins

FOLDERS: Mapping[str, Path] = MappingProxyType(
    {"": stand_ins.actual(paths.PORTAL_LOGS), "supervisor": stand_ins.actual(paths.SUPERVISOR_LOGS)}
)
"""What may be read, by its place under /logs/: as it is since the start of the host."""

CHUNK = 256 * 1024
"""The most that one request of a following reader gets, in bytes."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class NoSuchLog(Exception):
    """There is nothing to be read under that name; which of the reasons it was is nobody's business."""


@dataclass(frozen=True, kw_only=True)
class Log:
    """One readable file. `folder` is a key of the folders, `modified` seconds since 1970."""

    folder: str
    name: str
    size: int
    modified: float

    @property
    def path(self) -> str:
        """Its place under /logs/."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A piece of a log: `next` is where to go on in the file `file`; `restarted` when the file was changed
    for another.
    """

    data: bytes
    file: str
    next: int
    restarted: bool


def listing(folders: Mapping[str, Path] = FOLDERS) -> list[Log]:
    """Every log that can be read, newest first within its folder."""
    found: list[Log] = []
    for folder, directory in folders.items():
        logs = []
        for entry in _scan(directory):
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                try:
                    facts = entry.stat(follow_symlinks=False)
                except OSError:  # rotated away since the folder was read, or not for us to read
                    continue
                logs.append(Log(folder=folder, name=entry.name, size=facts.st_size, modified=facts.st_mtime))
        found += sorted(logs, key=lambda log: (-log.modified, log.name))
    return found


def _scan(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # a folder that is not there (yet) has no logs
        return []


def open_log(path: str, folders: Mapping[str, Path] = FOLDERS) -> BinaryIO:
    """The log at `path` under /logs/, open for reading. Raises `NoSuchLog` for whatever is no plain file
    right there.
    """
    folder, _, name = path.rpartition("/")
    directory = folders.get(folder)
    if directory is None or not _NAME.fullmatch(name):
        raise NoSuchLog(path)
    try:
        # O_NONBLOCK: the open of a named pipe would wait for a writer.
        descriptor = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise NoSuchLog(path) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoSuchLog(path)
    return os.fdopen(descriptor, "rb")


def read_from(file: BinaryIO, *, offset: int, known: str | None) -> Chunk:
    """What `file` has from `offset` on, at most `CHUNK` bytes; a negative offset counts from the end.

    `known` is the `Chunk.file` of the reader's last chunk: after a rotation or a truncation reading starts
    over.
    """
    facts = os.fstat(file.fileno())
    identity = f"{facts.st_dev:x}-{facts.st_ino:x}"
    restarted = (known is not None and known != identity) or offset > facts.st_size
    if restarted:
        offset = 0
    elif offset < 0:
        offset = max(0, facts.st_size + offset)
    file.seek(offset)
    data = file.read(CHUNK)
    return Chunk(data=data, file=identity, next=offset + len(data), restarted=restarted)


def read_tail(file: BinaryIO, most: int) -> bytes:
    """The last `most` bytes of `file`."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - most))
    return file.read(most)
