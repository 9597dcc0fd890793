"""Writing files that are never seen half done, even in directories that someone else owns."""

from __future__ import annotations

import pwd
from dataclasses import dataclass
from pathlib import Path

from visomaster_host.beneath import Folder
from visomaster_host.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who a file belongs to, by number."""

    uid: int
    gid: int


ROOT = Owner(uid=0, gid=0)


def owner_of(user: str) -> Owner:
    """The owner named `user`. Raises `Problem` when there is no such user."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Problem(f"there is no user {user!r}: the host has not been set up, run the deploy first") from None
    return Owner(uid=entry.pw_uid, gid=entry.pw_gid)


def write_atomic(path: Path, content: bytes, *, mode: int, owner: Owner) -> None:
    """Put `content` at `path`, with its final mode and owner from the first moment it has that name.

    Safe for root below folders of an unprivileged user: no link that others than root may have laid is followed on the
    way (OSError), and one at `path` is replaced. What is there already is not written again.
    """
    who = (owner.uid, owner.gid)
    with Folder.open(path.parent) as folder:
        if not folder.holds(path.name, content, mode=mode, owner=who):
            folder.write(path.name, content, mode=mode, owner=who)


def ensure_directory(path: Path, *, mode: int, owner: Owner = ROOT) -> None:
    """Make `path` a directory with this mode and owner; its parents are made 0755 as needed.

    A file or a link in its place is an error (`NotADirectoryError`): nothing is followed out of the tree.
    """
    with Folder.open(path.parent, make=0o755) as parent, parent.enter(path.name, make=0o700) as folder:
        folder.own(mode=mode, owner=(owner.uid, owner.gid))
