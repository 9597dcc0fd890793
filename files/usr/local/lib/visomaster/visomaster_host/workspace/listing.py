"""What is in a folder of a person's, and how much room is left."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from visomaster_host.beneath import Folder
from visomaster_host.workspace.exchange import Answer, Request, only, refused_by_system
from visomaster_host.workspace.space import space
from visomaster_host.workspace.tree import Tree, elements_of, is_shown

MOST = 20_000
"""Entries of one folder that are listed: more are nothing that a person looks through."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder that can be reached; `modified` in ms since 1970, `size` in bytes."""

    name: str
    kind: str
    size: int | None
    modified: int


class Listing:
    """`GET list?path=in`."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def answer(self, request: Request) -> Answer:
        """Folders first, each by name. Raises `Refused`."""
        only(request, "GET", "HEAD")
        elements = elements_of(request.one("path"))
        with self._tree.folder(elements) as folder:
            entries, left_out, more = entries_of(folder)
            room = space(folder)
        entries.sort(key=lambda entry: (entry.kind != "folder", entry.name))
        rest = {"path": "/".join(elements), "left_out": left_out, "more": more, "space": room.told()}
        # One by one: all at once, 10,000 of them take 10 MB more, and what the service has taken it keeps.
        told = b", ".join(json.dumps(_told(entry)).encode() for entry in entries)
        body = b'{"entries": [%s], %s' % (told, json.dumps(rest).encode()[1:])
        return Answer(headers={"Content-Type": "application/json"}, body=body)


def _told(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, "kind": entry.kind, "size": entry.size, "modified": entry.modified}


def entries_of(folder: Folder, most: int = MOST) -> tuple[list[Entry], int, bool]:
    """What in `folder` can be reached; how many of the others are not hidden (links, devices, names that are no UTF-8
    or have control characters); whether there are more than `most`, and these are any of them. Raises `Refused`.
    """
    entries: list[Entry] = []
    left_out = 0
    with scanned(folder) as found:
        for each in found:
            if each.name.startswith("."):
                continue
            if len(entries) + left_out >= most:
                return entries, left_out, True
            entry = _entry(each)
            if entry is None:
                left_out += 1
            else:
                entries.append(entry)
    return entries, left_out, False


def _entry(found: os.DirEntry[str]) -> Entry | None:
    if not is_shown(found.name):
        return None
    try:
        status = found.stat(follow_symlinks=False)
    except OSError:  # it has gone meanwhile
        return None
    modified = status.st_mtime_ns // 1_000_000
    if stat.S_ISREG(status.st_mode):
        return Entry(found.name, "file", status.st_size, modified)
    return Entry(found.name, "folder", None, modified) if stat.S_ISDIR(status.st_mode) else None


@contextmanager
def scanned(folder: Folder) -> Iterator[Iterator[os.DirEntry[str]]]:
    """What is in `folder`, as it is read. Raises `Refused`."""
    try:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder.descriptor)
    except OSError as error:
        raise refused_by_system(OSError(error.errno, error.strerror, str(folder.path))) from None
    try:
        with os.scandir(descriptor) as found:
            yield found
    finally:
        os.close(descriptor)
