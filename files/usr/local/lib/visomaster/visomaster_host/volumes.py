"""Volumes of images whose user had another number: what is on them is the program's again.

Only a volume that an engine made for a container is taken over, and of it what has the number that images had before.
A folder of the machine's stays as it is: there, that number is a person's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from visomaster_host import paths, users
from visomaster_host.beneath import Folder
from visomaster_host.files import Owner
from visomaster_host.mounts import all_mounts

_DEEPEST = 200  # folders; a descriptor is open for each


def take_over(user: Owner) -> Iterator[str]:
    """Give `user` what is on the program's volumes and had the number of an older image; a line for each volume, also
    for one that does not let itself be changed."""
    for point in dict.fromkeys(mount.point for mount in all_mounts() if mount.is_volume):
        if any(point.is_relative_to(folder) for folder in paths.OF_DESKTOP):
            yield from _take_over(point, user)


def _take_over(path: Path, user: Owner) -> Iterator[str]:
    try:
        with Folder.open(path) as folder:
            found = folder.owner
            if found.st_uid not in users.FORMER_IDS or found.st_uid == user.uid or found.st_gid != found.st_uid:
                return
            count = _own_all(folder, found.st_uid, user, found.st_dev)
            # Last: it says that all is done.
            os.chown(".", user.uid, user.gid, dir_fd=folder.descriptor, follow_symlinks=False)
    except OSError as error:
        yield f"{error.filename or path}: {error.strerror}; the volume {path} stays as it is"
        return
    yield f"{path}: a volume of an older image, {count} files in it now belong to {users.DESKTOP} ({user.uid})"


def _own_all(folder: Folder, number: int, user: Owner, device: int, depth: int = 0) -> int:
    """Give `user` what is below `folder` on this `device` and has the uid `number`; how much that was. By descriptors,
    and a link itself: nothing leads elsewhere."""
    count = 0
    for name in folder.names():
        status = folder.status(name)
        if status is None or status.st_dev != device:
            continue
        if depth < _DEEPEST:
            with contextlib.suppress(NotADirectoryError), folder.enter(name) as deeper:
                count += _own_all(deeper, number, user, device, depth + 1)
        if status.st_uid == number:
            os.chown(name, user.uid, user.gid, dir_fd=folder.descriptor, follow_symlinks=False)
            count += 1
    return count
