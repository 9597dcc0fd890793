"""Where the files live, which of them are known to be good, and who may change them.

Beside the models the store holds `.lock` (one fetch at a time, also between containers that share the store),
`.verified.json` (size, mtime and sha256 of each file proven so far) and `.downloaded` (the required set is verified).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host.fetch.manifest import Manifest, ModelFile
from visomaster_host.fetch.owner import adopt
from visomaster_host.fetch.part import discard_part
from visomaster_host.text import Told

READ = 1024 * 1024


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


def prepare_folder(root: Path, target: Path) -> None:
    """Make the folders between `root` and `target`. Raises StoreError when something else stands there.

    Symlinks below the root are refused: a fetch that runs as root would write wherever they point.
    """
    try:
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = root
        for part in target.relative_to(root).parts[:-1]:
            folder = folder / part
            if folder.is_symlink():
                raise StoreError(f"{folder} is a symlink, a folder is needed there")
            if not folder.is_dir():
                folder.mkdir(mode=0o755)
                adopt(folder, folder.parent)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreError(f"{error.filename} is not a folder, a folder is needed there") from error
    except OSError as error:
        raise StoreError(f"{error.filename}: {error.strerror}") from error
    if target.is_dir() and not target.is_symlink():
        raise StoreError(f"{target} is a folder, a file is needed there")


@dataclass
class Verified:
    """The record of proven files: path in the manifest → size, mtime (ns), sha256. A damaged record counts as empty."""

    path: Path
    files: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Verified:
        """Read the record at `path`."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            files = {name: (int(a), int(b), str(c)) for name, (a, b, c) in data["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            files = {}
        return cls(path, files)

    def holds(self, file: ModelFile, status: os.stat_result) -> bool:
        """Whether the file with this `status` was proven to be `file` and has not changed since."""
        return self.files.get(file.path) == (status.st_size, status.st_mtime_ns, file.sha256)

    def add(self, file: ModelFile, status: os.stat_result) -> None:
        """Note that the file with this `status` is `file`."""
        self.files[file.path] = (status.st_size, status.st_mtime_ns, file.sha256)

    def save(self) -> None:
        """Write the record (atomic). Raises OSError."""
        write_atomic(self.path, json.dumps({"schema": 1, "files": dict(self.files)}))  # other threads add to it


def write_atomic(path: Path, text: str) -> None:
    """Give `path` this content, mode 0644, in one step. Raises OSError."""
    temporary = path.with_name(f".{path.name.lstrip('.')}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o644)
            adopt(stream.fileno(), path.parent)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def status_of(path: Path) -> os.stat_result | None:
    """The status of the regular file at `path` (or behind a symlink there), None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def is_good(file: ModelFile, path: Path, verified: Verified, *, rehash: bool, read: Callable[[int], None]) -> bool:
    """Whether `path` holds `file`: by the record, else by its sha256 (then noted). `read` is told each step's bytes."""
    status = status_of(path)
    if status is None:
        return False
    if not rehash and verified.holds(file, status):
        return True
    verified.files.pop(file.path, None)
    if file.size is not None and status.st_size != file.size:
        return False
    try:
        if sha256_of(path, read) != file.sha256:
            return False
    except OSError:
        return False  # unreadable: it is fetched again, and that names the reason
    verified.add(file, status)
    return True


def sha256_of(path: Path, read: Callable[[int], None]) -> str:
    """The sha256 of the file at `path`, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:
        while data := stream.read(READ):
            digest.update(data)
            read(len(data))
    return digest.hexdigest()


def set_marker(layout: Layout, manifest: Manifest, good: bool) -> None:
    """Make the marker exist exactly when `good`. Raises OSError."""
    text = f"{manifest.digest()}\n"
    if not good:
        layout.marker.unlink(missing_ok=True)
    elif not layout.marker.is_file() or layout.marker.read_text(encoding="utf-8", errors="replace") != text:
        write_atomic(layout.marker, text)


def clean(layout: Layout, files: Iterable[ModelFile]) -> None:
    """Remove leftovers of unfinished fetches of files that are verified. Raises OSError."""
    for file in files:
        discard_part(layout.target(file))


@contextlib.contextmanager
def locked(store: Path, *, stop: Callable[[], bool], waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the store's lock; calls `waiting` once when another fetch has it, then waits for that one to end.

    The kernel drops the lock with its holder, so the wait ends; `stop` ends it earlier (Stopped). Raises StoreError.
    """
    path = store / ".lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    try:
        adopt(descriptor, store)
        told = False
        while not _try_lock(descriptor, path):
            if not told:
                waiting()
                told = True
            if stop():
                raise Stopped
            time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)


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
    totals: dict[int, tuple[Path, int]] = {}
    for folder, amount in needs:
        device = folder.stat().st_dev
        totals[device] = (folder, totals.get(device, (folder, 0))[1] + amount)
    for folder, amount in totals.values():
        space = os.statvfs(folder)
        free = space.f_bavail * space.f_frsize
        if amount > free:
            return f"{folder}: {amount / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
    return None
