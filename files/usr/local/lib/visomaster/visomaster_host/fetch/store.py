"""Where the files live, which of them are known to be good, and who may change them.

Beside the models the store holds `.lock` (one fetch at a time, also between containers that share the store),
`.verified.json` (size, mtime and sha256 of each file proven so far) and `.downloaded` (the required set is verified).

What root fetches stays root's: the program reads its models, and cannot change what was proven. A store that others
may write as well (a volume, a folder of the program's user) is entered by descriptors (`beneath`), and what root has
proven there is written down in a place of root's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host import beneath, paths
from visomaster_host.beneath import Folder
from visomaster_host.fetch.manifest import Manifest, ModelFile
from visomaster_host.fetch.part import discard_part, is_own
from visomaster_host.refusals import refusal
from visomaster_host.text import Told

READ = 1024 * 1024
RECORD_MOST = 16 * 1024 * 1024  # bytes of a record that are read; one of a thousand files has 0.2 MB


class StoreError(Told):
    """The store or a place in it cannot be used; the message says which and why."""


class Stopped(Exception):
    """The user or the service manager asked this program to end."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The three places of the guide: model store, program tree, dependencies."""

    store: Path
    tree: Path
    dependencies: Path

    def root(self, file: ModelFile) -> Path:
        """The folder `file` lives below."""
        return self.store if file.root == "model_assets" else self.dependencies

    def target(self, file: ModelFile) -> Path:
        """Where `file` lives."""
        return self.root(file) / file.rest

    @property
    def marker(self) -> Path:
        """Exists exactly when the required set is verified."""
        return self.store / ".downloaded"


def prepare_folder(root: Path, target: Path) -> Folder:
    """Open the folder of `target`, made with what is missing from `root` on. Raises StoreError when something else
    stands there.

    Links below the root are refused: a fetch would write wherever they point.
    """
    folder = root
    try:
        opened = Folder.open(root, make=0o755)
        for part in target.relative_to(root).parts[:-1]:
            folder = folder / part
            with opened:
                opened = opened.enter(part, make=0o755)
        if (status := opened.status(target.name)) is None or not stat.S_ISDIR(status.st_mode):
            return opened
        opened.close()
    except NotADirectoryError as error:
        kind = "a symlink" if _is_link(folder) else "not a folder"
        raise StoreError(
            f"{folder if folder != root else error.filename} is {kind}, a folder is needed there"
        ) from error
    except OSError as error:
        raise StoreError(refusal(error)) from error
    raise StoreError(f"{target} is a folder, a file is needed there")


def _is_link(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return (status := beneath.status(path)) is not None and stat.S_ISLNK(status.st_mode)
    return False


def record_path(store: Path) -> Path:
    """Where it is written what of `store` is proven: in it, but for root only where nobody else can write."""
    own, private = (
        store / ".verified.json",
        paths.VERIFIED / f"{hashlib.sha256(bytes(store.absolute())).hexdigest()}.json",
    )
    if os.geteuid() != 0:
        return private if status_of(own) is None and status_of(private) is not None else own
    try:
        with Folder.open(store) as folder:
            return own if folder.only_root else private
    except OSError:
        return private  # it is not there yet, or cannot be used, which is said where it is to be


@dataclass
class Verified:
    """The record of proven files: path in the manifest → what tells that the file is the same, and its sha256.

    For a file that only root (or whoever fetches) can write that is its size and mtime (ns). Others may set both as
    they like; of their files ctime (ns), which nobody can set, and inode are noted as well. A damaged record, and for
    root one that somebody else may have written, counts as empty.
    """

    path: Path
    files: dict[str, tuple[int | str, ...]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Verified:
        """Read the record at `path`."""
        try:
            data = json.loads(_read_record(path))
            files = {name: _entry(*entry) for name, entry in data["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            files = {}
        return cls(path, files)

    def holds(self, file: ModelFile, status: os.stat_result) -> bool:
        """Whether the file with this `status` was proven to be `file` and has not changed since."""
        noted = self.files.get(file.path, ())
        return noted in (
            _identity(status, file, others=others) for others in ((True,) if _is_others(status) else (True, False))
        )

    def add(self, file: ModelFile, status: os.stat_result) -> None:
        """Note that the file with this `status` is `file`."""
        self.files[file.path] = _identity(status, file, others=_is_others(status))

    def save(self) -> None:
        """Write the record (atomic). Raises OSError."""
        text = json.dumps({"schema": 1, "files": dict(self.files)})  # other threads add to it
        write_atomic(self.path, text)


def _entry(*written: int | str) -> tuple[int | str, ...]:
    """One entry of a record. Raises ValueError, TypeError, IndexError."""
    return (*(int(number) for number in written[:-1]), str(written[-1]))


def _identity(status: os.stat_result, file: ModelFile, *, others: bool) -> tuple[int | str, ...]:
    more = (status.st_ctime_ns, status.st_ino) if others else ()
    return (status.st_size, status.st_mtime_ns, *more, file.sha256)


def _is_others(status: os.stat_result) -> bool:
    """Whether somebody else than root, and than us, may write to the file."""
    return status.st_uid not in (0, os.geteuid()) or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _read_record(path: Path) -> bytes:
    """The record's text; empty for root where it may be somebody else's. Raises OSError."""
    with os.fdopen(beneath.open_file(path), "rb") as stream:
        trusted = os.geteuid() != 0 or beneath.is_only_roots(os.fstat(stream.fileno()))
        return stream.read(RECORD_MOST) if trusted else b""


def write_atomic(path: Path, text: str, *, sync: bool = True) -> None:
    """Give `path` this content, mode 0644, in one step; its folder is made if need be. Raises OSError."""
    with Folder.open(path.parent, make=0o755) as folder:
        folder.write(path.name, text.encode(), mode=0o644, owner=None, sync=sync)


def status_of(path: Path) -> os.stat_result | None:
    """The status of the regular file at `path`, None when there is none. A link is none."""
    try:
        status = beneath.status(path)
    except OSError:
        return None
    return status if status is not None and stat.S_ISREG(status.st_mode) else None


def is_good(file: ModelFile, path: Path, verified: Verified, *, rehash: bool, read: Callable[[int], None]) -> bool:
    """Whether `path` holds `file`: by the record, else by its sha256 (then noted). `read` is told each step's bytes."""
    try:
        descriptor = beneath.open_file(path)
    except OSError:
        return False  # unreadable: it is fetched again, and that names the reason
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        status = os.fstat(descriptor)
        if not rehash and verified.holds(file, status):
            return True
        verified.files.pop(file.path, None)
        if file.size is not None and status.st_size != file.size:
            return False
        try:
            good = sha256_of(stream, read) == file.sha256
        except OSError:
            return False
        if good:
            verified.add(file, status)  # as it was before it was read: what is changed meanwhile shows
        return good


def sha256_of(stream: io.FileIO, read: Callable[[int], None]) -> str:
    """The sha256 of what is left of `stream`, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    while data := stream.read(READ):
        digest.update(data)
        read(len(data))
    return digest.hexdigest()


def set_marker(layout: Layout, manifest: Manifest, good: bool) -> None:
    """Make the marker exist exactly when `good`. Raises OSError."""
    text = f"{manifest.digest()}\n"
    with Folder.open(layout.marker.parent) as folder:
        if not good:
            folder.remove(layout.marker.name)
        elif _text_of(layout.marker) != text:
            write_atomic(layout.marker, text)


def _text_of(path: Path) -> str | None:
    """What the small file at `path` says, None where there is none."""
    try:
        with os.fdopen(beneath.open_file(path), encoding="utf-8", errors="replace") as stream:
            return stream.read(4096)
    except OSError:
        return None


def clean(layout: Layout, files: Iterable[ModelFile]) -> None:
    """Remove leftovers of unfinished fetches of files that are verified. Raises OSError."""
    for file in files:
        discard_part(layout.target(file))


@contextlib.contextmanager
def locked(store: Path, *, stop: Callable[[], bool], waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the store's lock; calls `waiting` again and again while another fetch has it, until that one ends.

    The kernel drops the lock with its holder, so the wait ends; `stop` ends it earlier (Stopped). Raises StoreError.
    """
    path = store / ".lock"
    descriptor = _open_lock(path)
    try:
        while not _try_lock(descriptor, path):
            waiting()
            if stop():
                raise Stopped
            time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    """A descriptor of the lock. For us alone where the store is: who can open it can hold it for ever. Raises
    StoreError.
    """
    try:
        with Folder.open(path.parent) as folder:
            status = folder.status(path.name)
            if status is not None and folder.only_root and not (is_own(status) and status.st_mode & 0o077 == 0):
                folder.remove(path.name)
            return folder.open_file(path.name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(refusal(error)) from error


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EINTR):
            return False
        raise StoreError(f"{path}: cannot lock: {error.strerror}") from error
    return True


def missing_space(needs: Iterable[tuple[Path, int]]) -> str | None:
    """What is lacking, in words, when `needs` (folder, bytes) do not fit their filesystems; None when they do."""
    totals: dict[int, tuple[Path, int, int]] = {}
    for place, amount in needs:
        with beneath.nearest(place) as folder:
            space, device = os.statvfs(folder.descriptor), folder.owner.st_dev
            before = totals.get(device, (place, 0, 0))[1]
            totals[device] = (folder.path, before + amount, space.f_bavail * space.f_frsize)
    for where, amount, free in totals.values():
        if amount > free:
            return f"{where}: {amount / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
    return None
