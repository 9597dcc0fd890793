"""How much room there is, and how much of it stays free."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from visomaster_host.beneath import Folder

_MOST_RESERVED = 1024**3  # bytes
_RESERVED_PART = 20


@dataclass(frozen=True)
class Space:
    """Bytes of a file system: `free` for us, and its `total`."""

    free: int
    total: int

    @property
    def reserve(self) -> int:
        """Bytes that uploads leave free for the program, which writes results and what it keeps: 1 GiB, of a small file
        system 5 %.
        """
        return min(_MOST_RESERVED, self.total // _RESERVED_PART)

    @property
    def room(self) -> int:
        """Bytes that uploads may take."""
        return max(0, self.free - self.reserve)

    def told(self) -> dict[str, Any]:
        """As the interface tells it."""
        return {"free": self.free, "total": self.total, "reserve": self.reserve}


def space(folder: Folder | int) -> Space:
    """The room where `folder`, or the file of this descriptor, is. Raises OSError."""
    status = os.statvfs(folder if isinstance(folder, int) else folder.descriptor)
    return Space(free=status.f_bavail * status.f_frsize, total=status.f_blocks * status.f_frsize)
