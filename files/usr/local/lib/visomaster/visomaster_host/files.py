"""Writing files that are never seen half done, even in directories that someone else owns."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who a file belongs to, by number."""

    uid: int
    gid: int


ROOT = Owner(uid=0, gid=0)


def owner_of(user: str) -> Owner:
    """The owner named `user`. Raises `KeyError` when there is no such user."""
    import pwd

    entry = pwd.getpwnam(user)
    return Owner(uid=entry.pw_uid, gid=entry.pw_gid)


def write_atomic(path: Path, content: bytes, *, mode: int, owner: Owner) -> None:
    """Put `content` at `path`, with its final mode and owner from the first moment it has that name.

    Safe for root in a directory of an unprivileged user: the new file is made with O_EXCL and set up through
    its descriptor, and a link planted at `path` is replaced, not followed.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)


def ensure_directory(path: Path, *, mode: int, owner: Owner = ROOT) -> None:
    """Make `path` a directory with this mode and owner; its parents are made 0755 as needed.

    A file or a link in its place is an error (`FileExistsError`): nothing is followed out of the tree.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_symlink() or not path.is_dir():
            raise
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
