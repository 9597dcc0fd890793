"""Taking a file or folder along to another place, so that a kill at any moment loses nothing.

What is taken is first copied whole to a hidden place beside its new one, by hard links where that goes. Then it gets
its new name there, file by file where something stands there already, and at last what it was made from is put aside.
Nothing is deleted but copies of ours. Who is killed begins anew, and finds what it has done already.

All this runs as the program's user: by path, and a link is a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from visomaster_host.text import Told

_PIECE = 1 << 20  # bytes compared, or copied, at one time
_MOST_BESIDE = 1000
_DEEPEST = 100  # folders within one another
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


class Left(Told):
    """Something stays where it is, as it is; the text is one line that says what and why."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """Where `source` is taken, by way of `staged`, and where it is put `aside`. Where both have a file with other
    content, the one at `place` stays, or with `newer` the later one; the other is kept beside it.
    """

    source: str
    place: str
    staged: str
    aside: str
    newer: bool


def take(move: Move) -> Iterator[str]:
    """Do `move`; a line for each file that is kept beside another. Raises OSError, `Left`; all is where it was then,
    or in both places.
    """
    discard(move.staged)
    _require_plain(move.source)
    if not os.path.lexists(move.place) and _renamed(move.source, move.place):
        return
    try:
        _copy(move.source, move.staged)
        yield from _merge(move.staged, move.place, move.newer)
    except OSError:
        with contextlib.suppress(OSError):
            discard(move.staged)
        raise
    sync_folder(os.path.dirname(move.place))
    _put_aside(move.source, move.aside)


def discard(staged: str) -> None:
    """Remove what a start that was killed has left of its copies. Raises OSError."""
    if _is_folder(staged):
        for name in os.listdir(staged):
            discard(f"{staged}/{name}")
        os.rmdir(staged)
    elif os.path.lexists(staged):
        os.unlink(staged)


def sync_folder(path: str) -> None:
    """Make the names in the folder `path` durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_plain(path: str, depth: int = 0) -> None:
    """Raise `Left` where something is neither file, folder nor link, is mounted there, or lies too deep."""
    found = os.lstat(path)
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise Left(f"{path} is neither file nor folder: it stays as it is")
    if stat.S_ISDIR(found.st_mode):
        if depth > _DEEPEST:
            raise Left(f"{path} lies within more than {_DEEPEST} folders: it stays as it is")
        if os.path.ismount(path):
            raise Left(f"{path} is mounted there: it stays as it is")
        for name in os.listdir(path):
            _require_plain(f"{path}/{name}", depth + 1)


def _renamed(source: str, place: str) -> bool:
    """Whether `source` could be given the name `place` in one step. Overlays do not rename folders of an image."""
    try:
        os.rename(source, place)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    sync_folder(os.path.dirname(place))
    return True


def _copy(source: str, place: str) -> None:
    """Make `place` what `source` is, durable. Raises OSError."""
    mode = os.lstat(source).st_mode
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(source), place)
    elif stat.S_ISDIR(mode):
        os.mkdir(place, 0o700 | stat.S_IMODE(mode))
        for name in os.listdir(source):
            _copy(f"{source}/{name}", f"{place}/{name}")
        sync_folder(place)
    else:
        _copy_file(source, place)


def _copy_file(source: str, place: str) -> None:
    try:
        os.link(source, place, follow_symlinks=False)
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    with open(source, "rb", opener=_opener) as read, open(place, "xb", buffering=0) as written:
        found = os.fstat(read.fileno())
        while os.sendfile(written.fileno(), read.fileno(), None, _PIECE):
            pass
        os.fchmod(written.fileno(), stat.S_IMODE(found.st_mode))
        os.utime(written.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        os.fsync(written.fileno())


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _merge(staged: str, place: str, newer: bool) -> Iterator[str]:
    """Give `staged`, a copy of ours, the name `place`, or keep it beside what stands there."""
    if not os.path.lexists(place):
        os.rename(staged, place)
    elif _is_folder(staged) and os.path.isdir(place):
        for name in sorted(os.listdir(staged)):
            yield from _merge(f"{staged}/{name}", f"{place}/{name}", newer)
        sync_folder(place)
        os.rmdir(staged)
    elif _same(staged, place):
        os.unlink(staged)
    elif newer and _is_newer(staged, place):
        told = _kept_beside(place, place, time.strftime("%Y-%m-%d %H.%M.%S", time.localtime(os.lstat(place).st_mtime)))
        os.rename(staged, place)
        yield told
    else:
        yield _kept_beside(staged, place, "older" if newer else "from the image")


def _kept_beside(source: str, place: str, why: str) -> str:
    """Rename `source` to the name of `place` with `why`, or remove it where a copy of it has such a name; a line that
    says so. Raises OSError.
    """
    stem, suffix = os.path.splitext(place)
    for number in range(1, _MOST_BESIDE):
        beside = f"{stem} ({why}){'' if number == 1 else f' ({number})'}{suffix}"
        if not os.path.lexists(beside):
            os.rename(source, beside)
            return f"{place} stands there with other content: both are kept, one as {os.path.basename(beside)}"
        if _same(source, beside) and source != place:
            os.unlink(source)
            return f"{place} stands there with other content, which is kept as {os.path.basename(beside)} already"
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), place)


def _put_aside(source: str, aside: str) -> None:
    """Give `source` the first free of the names that begin with `aside`, its files one by one where the file system
    does not rename a folder. Raises OSError.
    """
    os.makedirs(os.path.dirname(aside), exist_ok=True)
    names = (f"{aside}.{number}" if number else aside for number in range(_MOST_BESIDE))
    free = next((name for name in names if not os.path.lexists(name)), None)
    if free is None:
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), aside)
    _rename_all(source, free)


def _rename_all(source: str, place: str) -> None:
    try:
        os.rename(source, place)
        return
    except OSError as error:
        if error.errno != errno.EXDEV or not _is_folder(source):
            raise
    os.mkdir(place)
    moved = []
    try:
        for name in os.listdir(source):
            _rename_all(f"{source}/{name}", f"{place}/{name}")
            moved.append(name)
        os.rmdir(source)
    except OSError:  # an overlay copies a file of an image before it renames it
        with contextlib.suppress(OSError):
            for name in moved:
                _rename_all(f"{place}/{name}", f"{source}/{name}")
            os.rmdir(place)
        raise


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _is_newer(one: str, other: str) -> bool:
    return os.lstat(one).st_mtime_ns > os.lstat(other).st_mtime_ns


def _same(one: str, other: str) -> bool:
    """Whether both are regular files of the same content, or links that lead to the same."""
    first, second = os.lstat(one), os.lstat(other)
    if stat.S_ISLNK(first.st_mode) and stat.S_ISLNK(second.st_mode):
        return os.readlink(one) == os.readlink(other)
    if not (stat.S_ISREG(first.st_mode) and stat.S_ISREG(second.st_mode)) or first.st_size != second.st_size:
        return False
    with open(one, "rb", opener=_opener) as left, open(other, "rb", opener=_opener) as right:
        while True:
            piece = left.read(_PIECE)
            if piece != right.read(_PIECE):
                return False
            if not piece:
                return True
