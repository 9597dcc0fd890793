"""Folders by descriptor: how a program that runs as root works where somebody else may write.

A path is looked up anew each time it is used. Whoever may write in one of its folders can exchange what stands there
for a link between two looks, or before the first, and root would then read, write or give away something else. So a
folder is entered element by element (O_NOFOLLOW, openat(2)), and all that is done in it goes through its descriptor.
A link is followed only where nobody but root can have laid it. For any other user a link is a link: they can reach
nothing by it that they may not reach anyway.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from visomaster_host.refusals import FULL

if TYPE_CHECKING:
    import socket

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a FIFO laid in the way must not hold us up
_MOST_LINKS = 40  # as the kernel's own limit
_ACCEPTS_WITHIN = 2.0  # seconds; a socket that accepts does so at once


class Folder:
    """An open folder. `trusted`: nobody but root can have chosen which folder this is."""

    def __init__(self, descriptor: int, path: Path, *, trusted: bool) -> None:
        self.descriptor, self.path, self.trusted = descriptor, path, trusted

    @classmethod
    def open(cls, path: Path, *, make: int | None = None) -> Folder:
        """The folder at `path`; missing ones are made with the mode `make`, if given. Raises OSError, which names the
        element that is missing, no folder, or a link that is not to be followed.
        """
        folder = cls(os.open("/", FOLDER), Path("/"), trusted=True)
        left = list(reversed(Path(os.path.abspath(path)).parts[1:]))
        links = 0
        try:
            while left:
                name = left.pop()
                target = folder._link_to_follow(name)
                if target is None:
                    folder = folder._replaced_by(folder.enter(name, make=make))
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
                left.extend(reversed([part for part in Path(target).parts if part != "/"]))
                if target.startswith("/"):
                    folder = folder._replaced_by(cls(os.open("/", FOLDER), Path("/"), trusted=True))
        except BaseException:
            folder.close()
            raise
        return folder

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _replaced_by(self, other: Folder) -> Folder:
        self.close()
        return other

    # -- whose it is

    @property
    def owner(self) -> os.stat_result:
        """The status of the folder itself."""
        return os.fstat(self.descriptor)

    @property
    def only_root(self) -> bool:
        """Whether nobody but root can change what stands in this folder, or which folder this is."""
        return self.trusted and is_only_roots(self.owner)

    def _kept_by_root(self, entry: os.stat_result) -> bool:
        """Whether nobody but root can have put `entry` into this folder, nor can exchange it."""
        own = self.owner
        sticky = own.st_uid == 0 and bool(own.st_mode & stat.S_ISVTX) and entry.st_uid == 0
        return self.trusted and (is_only_roots(own) or sticky)

    def _link_to_follow(self, name: str) -> str | None:
        """Where the link `name` leads; None when it is no link. Raises OSError when it is not to be followed."""
        status = self.status(name)
        if status is None or not stat.S_ISLNK(status.st_mode):
            return None
        if os.geteuid() == 0 and not self._kept_by_root(status):
            raise OSError(errno.ELOOP, "is a link that others than root may have laid, not followed", self._at(name))
        with self._naming(name):
            return os.readlink(name, dir_fd=self.descriptor)

    # -- what is in it; a name is one element, and a link there is never followed

    def enter(self, name: str, *, make: int | None = None) -> Folder:
        """The folder `name`, made with the mode `make` where it is missing and that is given. Raises OSError."""
        with self._naming(name):
            if make is not None and self.status(name) is None:
                with _unless_there():
                    os.mkdir(name, make, dir_fd=self.descriptor)
            descriptor = os.open(name, FOLDER, dir_fd=self.descriptor)
        return Folder(descriptor, self.path / name, trusted=self._kept_by_root(os.fstat(descriptor)))

    def status(self, name: str) -> os.stat_result | None:
        """The status of `name` itself, None when there is nothing. Raises OSError."""
        with self._naming(name):
            try:
                return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def open_file(self, name: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
        """A descriptor of the regular file `name`. Raises OSError for anything else, and waits for nobody."""
        with self._naming(name):
            descriptor = os.open(name, flags | _FILE, mode, dir_fd=self.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "is no regular file", self._at(name))
        return descriptor

    def write(self, name: str, content: bytes, *, mode: int, owner: tuple[int, int] | None, sync: bool = True) -> None:
        """Put `content` at `name` in one step, with its mode and its owner (uid, gid; None: whoever we are) from the
        first moment it has that name. A link there is replaced. `sync`: it outlives a power cut. On a full disk the
        file that is there takes what needs no more room. Raises OSError.
        """
        with self._naming(name):
            try:
                self._write_new(name, content, mode=mode, owner=owner, sync=sync)
            except OSError as error:
                if error.errno not in FULL or not self._overwritten(name, content, mode=mode, owner=owner):
                    raise

    def _write_new(self, name: str, content: bytes, *, mode: int, owner: tuple[int, int] | None, sync: bool) -> None:
        new = f".{name.lstrip('.')}.{os.urandom(8).hex()}.new"  # nobody can have put anything there
        with os.fdopen(self.open_file(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            try:
                os.fchmod(file.fileno(), mode)  # as long as it is ours
                if owner is not None and owner != _owner(os.fstat(file.fileno())):
                    os.fchown(file.fileno(), *owner)
                file.write(content)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
                self._take_over(new, name)
            except BaseException:
                with contextlib.suppress(OSError):
                    self.remove(new)
                raise

    def holds(self, name: str, content: bytes, *, mode: int, owner: tuple[int, int] | None) -> bool:
        """Whether the file `name` is what `write` would make of it: then nothing needs to be written."""
        try:
            with os.fdopen(self.open_file(name), "rb") as file:
                status = os.fstat(file.fileno())
                return _is_as_written(status, mode, owner) and file.read(len(content) + 1) == content
        except OSError:
            return False

    def _overwritten(self, name: str, content: bytes, *, mode: int, owner: tuple[int, int] | None) -> bool:
        """Whether `content` was put into the file `name`, which is as a new one would be and has the room already. Who
        reads it meanwhile may see a part.
        """
        try:
            file = os.fdopen(self.open_file(name, os.O_WRONLY), "wb", buffering=0)
        except OSError:
            return False
        with file:
            status = os.fstat(file.fileno())
            if not _is_as_written(status, mode, owner) or len(content) > status.st_blocks * 512:
                return False
            file.write(content)
            file.truncate(len(content))
        return True

    def _take_over(self, new: str, name: str) -> None:
        """Give `new` the name `name`. Where others may write, a folder of that name is put aside: they could keep us
        from our work by making it.
        """
        try:
            self.rename(new, name)
        except IsADirectoryError:
            if self.only_root:
                raise
            self.rename(name, f"{new}.aside")
            self.rename(new, name)

    def answers(self, name: str) -> bool:
        """Whether somebody accepts connections on the unix socket `name`. Raises OSError."""
        try:
            self.connected(name).close()
        except (BlockingIOError, TimeoutError):  # its queue is full: it is there, too
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def connected(self, name: str) -> socket.socket:
        """A connection to the unix socket `name`, which waits two seconds for each step. Raises OSError, also where
        `name` is something else.
        """
        import socket  # 3 ms, for few callers

        descriptor = os.open(name, os.O_PATH | _FILE, dir_fd=self.descriptor)
        connection = socket.socket(socket.AF_UNIX)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                raise ConnectionRefusedError(errno.ECONNREFUSED, "is no socket", self._at(name))
            connection.settimeout(_ACCEPTS_WITHIN)
            connection.connect(f"/proc/self/fd/{descriptor}")
        except BaseException:
            connection.close()
            raise
        finally:
            os.close(descriptor)
        return connection

    def rename(self, old: str, new: str) -> None:
        """Give `old` the name `new`, whatever file stood there. Raises OSError."""
        with self._naming(new):
            os.rename(old, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def link(self, name: str, target: str) -> None:
        """Make `name` a link to `target`, in one step; one that is that already stays. Raises OSError."""
        with self._naming(name):
            status = self.status(name)
            linked = status is not None and stat.S_ISLNK(status.st_mode)
            if linked and os.readlink(name, dir_fd=self.descriptor) == target:
                return
            new = f".{name.lstrip('.')}.{os.urandom(8).hex()}.new"
            os.symlink(target, new, dir_fd=self.descriptor)
            self._take_over(new, name)

    def give_name(self, descriptor: int, name: str) -> None:
        """Give the open file the name `name` besides. Raises OSError, FileExistsError where that is taken."""
        with self._naming(name):
            os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=self.descriptor, follow_symlinks=True)

    def remove(self, name: str) -> None:
        """Remove the file or link `name`, if there is one. Raises OSError."""
        with self._naming(name):
            try:
                os.unlink(name, dir_fd=self.descriptor)
            except FileNotFoundError:
                return

    def own(self, *, mode: int, owner: tuple[int, int]) -> None:
        """Give the folder itself this mode and owner, where it has others. Raises OSError."""
        status = self.owner
        if (stat.S_IMODE(status.st_mode), *_owner(status)) == (mode, *owner):
            return
        with self.reopened() as descriptor, self._naming(""):
            to_us = owner[0] == os.geteuid()
            if to_us:  # who has it could change its mode again
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            if not to_us and owner != _owner(status):
                os.fchown(descriptor, *owner)

    def require_writable(self) -> None:
        """Raise OSError, as a write would, where we can write nothing in the folder, full or not."""
        if not os.access(".", os.W_OK, dir_fd=self.descriptor):
            read_only = os.statvfs(self.descriptor).f_flag & os.ST_RDONLY
            number = errno.EROFS if read_only else errno.EACCES
            raise OSError(number, os.strerror(number), str(self.path))

    def sync(self) -> None:
        """Make what was renamed in it durable. Raises OSError."""
        with self.reopened() as descriptor, self._naming(""):
            os.fsync(descriptor)

    def names(self) -> list[str]:
        """What is in it, in no order. Raises OSError."""
        with self.reopened() as descriptor:
            return os.listdir(descriptor)

    @contextmanager
    def reopened(self) -> Iterator[int]:
        """A descriptor for what O_PATH cannot do."""
        with self._naming(""):
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _at(self, name: str) -> str:
        return str(self.path / name)

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """An OSError names the whole path, as one by path would."""
        try:
            yield
        except OSError as error:
            where = self._at(name)
            raise (error if error.filename == where else OSError(error.errno, error.strerror, where)) from None


def _is_as_written(status: os.stat_result, mode: int, owner: tuple[int, int] | None) -> bool:
    """Whether a regular file with this status has just this mode and owner (None: us), and no other name."""
    whose = (os.geteuid(), os.getegid()) if owner is None else owner
    return (stat.S_IMODE(status.st_mode), _owner(status), status.st_nlink) == (mode, whose, 1)


def _owner(status: os.stat_result) -> tuple[int, int]:
    return status.st_uid, status.st_gid


def is_only_roots(status: os.stat_result) -> bool:
    """Whether nobody but root can write to what has this status; root's own group is root."""
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != 0
    return status.st_uid == 0 and not status.st_mode & stat.S_IWOTH and not by_group


def open_file(path: Path) -> int:
    """A descriptor, for reading, of the regular file at `path`; a link there is not followed. Raises OSError."""
    with Folder.open(path.parent) as folder:
        return folder.open_file(path.name)


def read(path: Path, most: int) -> bytes:
    """The first `most` bytes of the regular file at `path`. A link there is followed where only root can have laid it,
    as engines lay them to the secrets they mount. Raises OSError.
    """
    with _at_end_of_links(path) as (folder, name), os.fdopen(folder.open_file(name), "rb") as file:
        return file.read(most)


@contextmanager
def _at_end_of_links(path: Path) -> Iterator[tuple[Folder, str]]:
    """The folder and name of what `path` leads to, by links that may be followed."""
    path = Path(os.path.abspath(path))
    for _ in range(_MOST_LINKS):
        with Folder.open(path.parent) as folder:
            target = folder._link_to_follow(path.name)
            if target is None:
                yield folder, path.name
                return
            path = folder.path / target
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def status(path: Path) -> os.stat_result | None:
    """The status of what stands at `path` (of a link itself); None when there is nothing. Raises OSError for a path
    that cannot be walked.
    """
    try:
        with Folder.open(path.parent) as folder:
            return folder.status(path.name)
    except FileNotFoundError:
        return None


@contextmanager
def nearest(path: Path) -> Iterator[Folder]:
    """The folder `path`, or the nearest one above it that is there. Raises OSError."""
    for each in (path, *path.parents):
        try:
            folder = Folder.open(each)
        except FileNotFoundError:
            continue
        with folder:
            yield folder
        return


@contextmanager
def _unless_there() -> Iterator[None]:
    """Somebody else may make the same folder; whose it is shows when it is entered."""
    try:
        yield
    except FileExistsError:
        return
