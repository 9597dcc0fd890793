"""Room that is kept back for a start on a full disk: an X server ends where it cannot write its lock and its keys' map.

A start gives it up first, and takes it again where there is plenty.
"""

from __future__ import annotations

import errno
import os

from visomaster_host import beneath, paths
from visomaster_host.problems import say
from visomaster_host.refusals import refusal

SIZE = 2 * 1024 * 1024
PLENTY = 16 * SIZE


def release() -> None:
    """Give the room up. Raises OSError."""
    with beneath.Folder.open(paths.RESERVE.parent) as folder:
        folder.remove(paths.RESERVE.name)


def hold() -> None:
    """Take it where there is plenty, and it would be of use to an X server; say so where there is next to nothing.

    Raises OSError.
    """
    with beneath.Folder.open(paths.RESERVE.parent) as folder, beneath.Folder.open(paths.X11_LOCKS) as locks:
        space = os.statvfs(folder.descriptor)
        free = space.f_bavail * space.f_frsize
        if free < 2 * SIZE:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(paths.RESERVE.parent))
            say(f"visomaster-start: {refusal(full)}; going on: with what is there")
        elif free > PLENTY and folder.owner.st_dev == locks.owner.st_dev:
            folder.write(paths.RESERVE.name, bytes(SIZE), mode=0o600, owner=(0, 0), sync=False)
