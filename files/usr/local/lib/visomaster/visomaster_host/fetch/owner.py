"""What root makes in somebody's folder belongs to them, so that a later unprivileged call can go on with it."""

from __future__ import annotations

import os
from pathlib import Path


def adopt(made: int | Path, parent: Path) -> None:
    """Give `made` (an open file, a folder or a link) to the owner of the folder `parent`; only root can and does."""
    if os.geteuid() != 0:
        return
    owner = parent.stat()
    if isinstance(made, int):
        os.fchown(made, owner.st_uid, owner.st_gid)
    else:
        os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=False)
