"""How much room the file system of a person's files has, and how much of it nobody fills with uploads."""

from __future__ import annotations

import os
from dataclasses import dataclass

from visomaster_host.beneath import Folder

MOST_RESERVED = 1024**3
RESERVED_PART = 20
"""The reserve: one part in so many of the file system, at most `MOST_RESERVED` bytes."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """Bytes of a file system: its size, what we may still write, and how much of that is to stay free. The program
    writes results meanwhile, and a start needs room too.
    """

    total: int
    free: int
    reserve: int

    @property
    def room(self) -> int:
        """What an upload may take."""
        return max(0, self.free - self.reserve)

    def told(self) -> dict[str, int]:
        """As the interface tells it."""
        return {"free": self.free, "total": self.total, "reserve": self.reserve}


def space(folder: Folder | int) -> Space:
    """The space where `folder`, or the file with this descriptor, is. Raises OSError."""
    status = os.statvfs(folder if isinstance(folder, int) else folder.descriptor)
    total = status.f_blocks * status.f_frsize
    reserve = min(MOST_RESERVED, total // RESERVED_PART)
    return Space(total=total, free=status.f_bavail * status.f_frsize, reserve=reserve)
