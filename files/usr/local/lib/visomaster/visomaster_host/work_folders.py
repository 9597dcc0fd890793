"""The shape of /workspace: a folder for what a person brings, one for what comes of it, one for what the program keeps.

They are made as root, in a folder that others may write: by descriptor, and only what nobody has put anything into is
given away. Whatever else stands there stays as it is, as does a folder of the machine's that is mounted there, and
readiness tells it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from visomaster_host import paths
from visomaster_host.beneath import Folder
from visomaster_host.files import Owner
from visomaster_host.mounts import all_mounts
from visomaster_host.refusals import refusal

MODE = 0o755


def make(user: Owner) -> Iterator[str]:
    """Have `user` own the folders of /workspace; a line for each that cannot be made, but for a /workspace that is
    read-only: that is told anyway. Raises OSError where there is no /workspace.
    """
    machines = {mount.point for mount in all_mounts() if not mount.is_volume}
    with Folder.open(paths.WORKSPACE) as workspace:
        if os.statvfs(workspace.descriptor).f_flag & os.ST_RDONLY:
            return
        for path in (each for each in (paths.INPUT, paths.OUTPUT, paths.KEPT) if each not in machines):
            try:
                _make(workspace, path.name, user)
            except OSError as error:
                yield f"{refusal(error)}; going on: without {path}"


def _make(workspace: Folder, name: str, user: Owner) -> None:
    with workspace.enter(name, make=MODE) as folder:
        if folder.owner.st_uid == os.geteuid() != user.uid and not folder.names():
            folder.own(mode=MODE, owner=(user.uid, user.gid))
