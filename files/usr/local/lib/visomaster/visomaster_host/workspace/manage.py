"""Folders made, and files and folders renamed, moved and deleted, as a person asks for it.

Nothing is ever overwritten: what is there keeps its name, and who asked is told.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import pairwise

from visomaster_host import paths
from visomaster_host.beneath import Folder
from visomaster_host.workspace.exchange import Answer, Refused, Request, as_json, only, refused_by_system
from visomaster_host.workspace.fields import Fields
from visomaster_host.workspace.tree import Elements, Tree, elements_of, name_of

OURS = frozenset((folder.name,) for folder in (paths.INPUT, paths.OUTPUT, paths.KEPT))
"""Folders that stay where they are: the program and the page find them by name."""
DEEPEST = 200
"""Folders within one another that are deleted in one go: each takes an open file."""

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


class Manage:
    """`POST folder`, `rename`, `move` and `delete`."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def folder(self, request: Request) -> Answer:
        """Make a folder in one that is there. Raises `Refused`."""
        only(request, "POST")
        elements = elements_of(Fields(request, "path").text("path"))
        with self._tree.above(elements) as above:
            if above.status(elements[-1]) is not None:
                raise _taken(elements)
            with _told(above, elements[-1]):
                os.mkdir(elements[-1], 0o775, dir_fd=above.descriptor)
        return as_json({"path": "/".join(elements)}, HTTPStatus.CREATED)

    def rename(self, request: Request) -> Answer:
        """Give a file or folder another name in the folder it is in. Raises `Refused`."""
        only(request, "POST")
        fields = Fields(request, "path", "name")
        old = elements_of(fields.text("path"))
        new = (*old[:-1], name_of(fields.text("name")))
        with self._tree.above(old) as above:
            self._require(above, old)
            if old != new:
                _give_name(above, old, above, new)
        return as_json({"path": "/".join(new)})

    def move(self, request: Request) -> Answer:
        """Move files and folders into a folder: all, or where one cannot be moved, none. Raises `Refused`."""
        only(request, "POST")
        fields = Fields(request, "paths", "folder")
        target = elements_of(fields.text("folder"))
        moves = [(old, (*target, old[-1])) for old in _apart(fields.texts("paths"))]
        for old, _ in moves:
            if target[: len(old)] == old:
                raise Refused(HTTPStatus.CONFLICT, f"{'/'.join(old)}: cannot be moved into itself")
            with self._tree.above(old) as above:
                self._require(above, old)
        done: list[tuple[Elements, Elements]] = []
        try:
            for old, new in moves:
                if old != new:
                    self._move(old, new)
                    done.append((old, new))
        except Refused:
            for old, new in reversed(done):
                with contextlib.suppress(Refused):  # the place it had is taken meanwhile: it stays where it is now
                    self._move(new, old)
            raise
        return as_json({"paths": ["/".join(new) for _, new in moves]})

    def delete(self, request: Request) -> Answer:
        """Delete files, and folders with all that is in them. Raises `Refused`."""
        only(request, "POST")
        asked = _apart(Fields(request, "paths").texts("paths"))
        for elements in asked:
            with self._tree.above(elements) as above:
                self._require(above, elements)
        for elements in asked:
            with self._tree.above(elements) as above:
                _delete(above, elements[-1])
        return as_json({"deleted": len(asked)})

    def _require(self, above: Folder, elements: Elements) -> None:
        """Raise `Refused` unless there is a file or folder there that may be changed."""
        if elements in OURS:
            raise Refused(
                HTTPStatus.FORBIDDEN, f"{'/'.join(elements)}: stays where it is: the program looks for it there"
            )
        status = above.status(elements[-1])
        if status is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"{'/'.join(elements)}: there is nothing of this name")
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise Refused(HTTPStatus.FORBIDDEN, f"{'/'.join(elements)}: expected a file or folder, got something else")

    def _move(self, old: Elements, new: Elements) -> None:
        with self._tree.above(old) as source, self._tree.above(new) as folder:
            _give_name(source, old, folder, new)


def _apart(paths: Sequence[str]) -> list[Elements]:
    """`paths`, none of which is within another one, each once. Raises `Refused`."""
    found = list(dict.fromkeys(elements_of(path) for path in paths))
    for first, second in pairwise(sorted(found)):  # what is within a folder follows it
        if second[: len(first)] == first:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{'/'.join(second)}: is within {'/'.join(first) or 'the other'}")
    return found


def _taken(elements: Elements) -> Refused:
    return Refused(HTTPStatus.CONFLICT, f"{'/'.join(elements)}: there is something of this name already")


@contextlib.contextmanager
def _told(folder: Folder, name: str) -> Iterator[None]:
    """An OSError of what is done inside becomes `Refused`, which names the whole path."""
    try:
        yield
    except OSError as error:
        raise refused_by_system(OSError(error.errno, error.strerror, str(folder.path / name))) from None


def _give_name(source: Folder, old: Elements, folder: Folder, new: Elements) -> None:
    """Move the last of `old` in `source` to the last of `new` in `folder`. Raises `Refused`, where that is taken, too.

    rename(2) would overwrite, and renameat2(2) is not in Python. So a file gets its new name as a second one first:
    killed in between, it has both. A folder, and a file where there are no links, replaces an empty one made just for
    that, which rename(2) does in one step, and for a folder that is not empty any more refuses.
    """
    try:
        status = source.status(old[-1])
        if status is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), old[-1])
        if stat.S_ISDIR(status.st_mode) or not _linked(source, old[-1], folder, new[-1]):
            _replace_empty(source, old[-1], folder, new[-1], is_folder=stat.S_ISDIR(status.st_mode))
    except FileExistsError:
        raise _taken(new) from None
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise _taken(new) from None
        if error.errno == errno.EXDEV:
            told = f"{'/'.join(old)}: is on another disk than {'/'.join(new[:-1])}: download it, upload it there"
            raise Refused(HTTPStatus.CONFLICT, told) from None
        raise refused_by_system(OSError(error.errno, error.strerror, str(source.path / old[-1]))) from None


def _linked(source: Folder, old: str, folder: Folder, new: str) -> bool:
    """Whether the file was given its new name in place of the old one; not where the file system, or the kernel for a
    file of somebody else's, has no second names. Raises OSError.
    """
    try:
        os.link(old, new, src_dir_fd=source.descriptor, dst_dir_fd=folder.descriptor, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return False
        raise
    try:
        os.unlink(old, dir_fd=source.descriptor)
    except OSError:
        os.unlink(new, dir_fd=folder.descriptor)
        raise
    return True


def _replace_empty(source: Folder, old: str, folder: Folder, new: str, *, is_folder: bool) -> None:
    if is_folder:
        os.mkdir(new, 0o700, dir_fd=folder.descriptor)
    else:
        os.close(folder.open_file(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    try:
        os.rename(old, new, src_dir_fd=source.descriptor, dst_dir_fd=folder.descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            (os.rmdir if is_folder else os.unlink)(new, dir_fd=folder.descriptor)
        raise


def _delete(above: Folder, name: str, depth: int = 0) -> None:
    """Delete what is called `name`, and all that is in it; of a link not what it leads to. Raises `Refused`."""
    if depth > DEEPEST:
        raise Refused(
            HTTPStatus.CONFLICT,
            f"{above.path}: more than {DEEPEST} folders within one another: delete it in a terminal",
        )
    with _told(above, name):
        status = above.status(name)
        if status is None:
            return
        if not stat.S_ISDIR(status.st_mode):
            above.remove(name)
            return
        with above.enter(name) as inner:
            for each in inner.names():
                _delete(inner, each, depth + 1)
        os.rmdir(name, dir_fd=above.descriptor)
