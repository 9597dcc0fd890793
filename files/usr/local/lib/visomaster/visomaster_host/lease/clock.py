"""What time it is, whatever this machine's clock says: Vast's, carried on by the kernel's count since boot.

A clock that is set, or jumps by an hour, ends no machine early, and keeps none alive.
"""

from __future__ import annotations

import time
from collections.abc import Callable

NOTED = 60.0
"""Seconds of difference that are told."""


def since_boot() -> float:
    """Seconds since boot, those of sleep as well."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """The time. `wall` and `count` are for tests."""

    def __init__(self, wall: Callable[[], float] = time.time, count: Callable[[], float] = since_boot) -> None:
        self._wall, self.count = wall, count
        self._set: tuple[float, float] | None = None

    def now(self) -> float:
        """Seconds since 1970: as Vast last told, else as this machine's clock says."""
        if self._set is None:
            return self._wall()
        at, counted = self._set
        return at + self.count() - counted

    def told(self, at: float) -> str:
        """Vast says that it is `at`, 0 for nothing; returns one line where this box's clock is another."""
        if not at:
            return ""
        self._set = at, self.count()
        off = self._wall() - at
        if abs(off) < NOTED:
            return ""
        return f"this box's clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}: Vast's time is used"

    @property
    def is_told(self) -> bool:
        """Whether Vast has told the time."""
        return self._set is not None
