"""How an upload that is complete gets its name: at once, whole, and never in the place of another file."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from visomaster_host.beneath import Folder
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.parts import BUFFER, Part, files_of
from visomaster_host.workspace.space import space
from visomaster_host.workspace.store import Done
from visomaster_host.workspace.tree import MOST_BYTES, Elements, Tree
from visomaster_host.workspace.tus import Wish

MODE = 0o644
MOST_OF_ONE_NAME = 1000
"""Files that are told apart by a number behind their names."""
_LONGEST_SUFFIX = 20  # bytes; what is longer is no kind of file
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_RENAME_NOREPLACE = 1  # linux/fs.h
_FIRST = 315_532_800_000  # 1980, in ms since 1970: what a zip can say at least
_AHEAD = 24 * 60 * 60 * 1000  # ms that the sender's clock may be ahead of ours


def ensure_folder(tree: Tree, target: Elements) -> Folder:
    """The folder `target`, for the caller to close; one that had to be made is on disk. Raises `Refused`, OSError."""
    try:
        return tree.folder(target)
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
    try:
        folder = tree.folder(target, make=True)
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        raise Refused(HTTPStatus.CONFLICT, f"{tree.path(target)}: something else than a folder is there") from None
    for depth in range(len(target)):
        with tree.folder(target[:depth]) as above:
            above.sync()
    return folder


def place(tree: Tree, uploads: Folder, identifier: str, wish: Wish, part: Part) -> Done:
    """Give the complete `part`, which is in `uploads`, its name; returns what became of it. It is read once more and on
    disk before it has the name, and has it on disk before this returns. Raises `Damaged`, `Refused` and OSError.
    """
    with ensure_folder(tree, wish.target) as folder:
        if part.has_another_name and (name := _name_in(folder, part)):  # we were killed when it had just got it
            folder.sync()
            return _done(wish, name, part.require_intact())
        _finish(part.descriptor, wish.last_modified)
        sha256 = part.require_intact()
        source = _Source(folder=uploads, name=files_of(identifier)[0], descriptor=part.descriptor)
        try:
            name = _named(folder, wish.name, source)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            name = _copied(folder, f".{source.name}", wish, part, sha256)
        folder.sync()
    return _done(wish, name, sha256)


def is_placed(tree: Tree, wish: Wish, part: Part) -> bool:
    """Whether `part` has a name in the folder it is for. Raises `Refused` and OSError."""
    with ensure_folder(tree, wish.target) as folder:
        return part.has_another_name and bool(_name_in(folder, part))


def _done(wish: Wish, name: str, sha256: str) -> Done:
    return Done(path="/".join([*wish.target, name]), sha256=sha256, size=wish.size)


def _finish(descriptor: int, last_modified: int | None) -> None:
    """Give an open file its mode and time, and put it on disk. A time that cannot be is the present one."""
    now = time.time_ns()
    sane = last_modified is not None and _FIRST <= last_modified <= now // 1_000_000 + _AHEAD
    os.fchmod(descriptor, MODE)
    os.utime(descriptor, ns=(now, last_modified * 1_000_000 if sane and last_modified is not None else now))
    os.fsync(descriptor)


def _name_in(folder: Folder, part: Part) -> str:
    """Which name `part` has in `folder`; "" for none."""
    own = os.fstat(part.descriptor)
    for name in folder.names():
        status = folder.status(name)
        if status is not None and (status.st_ino, status.st_dev) == (own.st_ino, own.st_dev):
            return name
    return ""


@dataclass(frozen=True, kw_only=True)
class _Source:
    """An open file, and what it is called where."""

    folder: Folder
    name: str
    descriptor: int


def _named(folder: Folder, name: str, source: _Source) -> str:
    """Let `source` be in `folder` as `name`, or the next that is free; returns which. Raises `Refused`, OSError."""
    for candidate in names(name):
        with contextlib.suppress(FileExistsError):
            try:
                folder.give_name(source.descriptor, candidate)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                _rename(source, folder, candidate)
            return candidate
    raise Refused(HTTPStatus.CONFLICT, f"{name}: there are {MOST_OF_ONE_NAME} files of this name: choose another one")


def _rename(source: _Source, folder: Folder, name: str) -> None:
    """As a link would, on a file system that has none, but the old name is gone. Raises OSError."""
    import ctypes  # 2 ms, for few file systems

    library = ctypes.CDLL(None, use_errno=True)
    old, new = (source.folder.descriptor, os.fsencode(source.name)), (folder.descriptor, os.fsencode(name))
    if library.renameat2(*old, *new, _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder.path / name))


def names(name: str) -> Iterator[str]:
    """`name`, then `name (2)` and so on, its suffix behind that, each within what a file system takes."""
    yield name
    stem, suffix = os.path.splitext(name)
    if len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    for number in range(2, MOST_OF_ONE_NAME + 1):
        end = f" ({number}){suffix}"
        yield stem.encode()[: MOST_BYTES - len(end.encode())].decode(errors="ignore") + end


def _copied(folder: Folder, hidden: str, wish: Wish, part: Part, sha256: str) -> str:
    """As `_named`, where `folder` is of another file system: by a copy beside the name. Raises `Refused`, OSError."""
    folder.remove(hidden)  # of one that was killed
    if space(folder).room < wish.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.path))
    descriptor = folder.open_file(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        if _copy(part.descriptor, descriptor) != sha256:
            raise OSError(errno.EIO, "changed while it was copied", str(folder.path / hidden))
        _finish(descriptor, wish.last_modified)
        return _named(folder, wish.name, _Source(folder=folder, name=hidden, descriptor=descriptor))
    finally:
        os.close(descriptor)
        folder.remove(hidden)


def _copy(source: int, target: int) -> str:
    """Copy one open file to the other; returns the sha256 of what was copied. Raises OSError."""
    found, buffer, at = hashlib.sha256(), memoryview(bytearray(BUFFER)), 0
    while got := os.preadv(source, [buffer], at):
        found.update(buffer[:got])
        done = 0
        while done < got:
            done += os.pwrite(target, buffer[done:got], at + done)
        at += got
    return found.hexdigest()
