"""The machine that the portal is on: how long it has run, the room on its disk, its GPUs.

A disk or a driver may hang whoever asks it, for ever. So each is asked in a thread of its own, one at a time, and a
page shows what was found last.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from visomaster_host import beneath, causes, nvidia, paths
from visomaster_host.lease.clock import since_boot
from visomaster_host.text import brief

FRESH = 5.0
"""Seconds after which it is looked again, when somebody asks."""
LATE = 8.0
"""Seconds after which a look that goes on counts as one that hangs."""
_GPU_WITHIN = 6.0
_LONGEST = 60  # characters of a card's name
_MOST = 4096
_MIB = 1 << 20
_TICKS = os.sysconf("SC_CLK_TCK")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Seen(Generic[T]):
    """What was `found` last, once it is `known`, and whether the look under way `hangs`."""

    found: T | None
    known: bool
    hangs: bool


class Look(Generic[T]):
    """What `find` finds, which may take as long as it likes and must raise nothing."""

    def __init__(self, find: Callable[[], T | None], *, clock: Callable[[], float]) -> None:
        self._find, self._clock = find, clock
        self._lock = threading.Lock()
        self._began: float | None = None
        self._ended: float | None = None
        self._found: T | None = None

    def last(self) -> Seen[T]:
        """What was seen last, at once; a new look begins where the last one is over and old."""
        with self._lock:
            now = self._clock()
            if self._began is None and (self._ended is None or now - self._ended >= FRESH):
                self._begin(now)
            hangs = self._began is not None and now - self._began > LATE
            return Seen(found=self._found, known=self._ended is not None, hangs=hangs)

    def _begin(self, now: float) -> None:
        self._began = now
        try:
            threading.Thread(target=self._run, daemon=True).start()
        except RuntimeError:  # no thread can be had at the moment
            self._began = None

    def _run(self) -> None:
        found = self._find()
        with self._lock:
            self._found, self._began, self._ended = found, None, self._clock()


class Machine:
    """What is told of this machine. The first looks begin with it."""

    def __init__(
        self,
        disk: Callable[[], dict[str, int] | None] | None = None,
        cards: Callable[[], list[dict[str, Any]] | None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._disk = Look(disk or room, clock=clock)
        self._cards = Look(cards or gpus, clock=clock)
        self.told()

    def told(self) -> dict[str, Any]:
        """As the report has it: seconds that it is `up`, its `disk`, its `gpus`; None for what is not known, an empty
        list where there is no GPU. `gpu_silent` is true where there is one whose driver does not answer.
        """
        disk, cards = self._disk.last(), self._cards.last()
        found = None if cards.hangs else cards.found
        return {
            "up": up(),
            "disk": None if disk.hangs else disk.found,
            "gpus": found,
            "gpu_silent": cards.hangs or (cards.known and found is None),
        }


def up() -> float | None:
    """Seconds since the first process began: of a container since its start, else since boot. None where the kernel
    does not tell.
    """
    try:
        stat = beneath.read(paths.PROCESSES / "1/stat", _MOST).decode("ascii", "replace")
        return max(0.0, round(since_boot() - int(stat.rpartition(")")[2].split()[19]) / _TICKS))
    except (OSError, ValueError, IndexError):
        return None


def room() -> dict[str, int] | None:
    """The room where results go; None where that cannot be had."""
    try:
        status = os.statvfs(paths.WORKSPACE)
    except OSError:
        return None
    return {"free": status.f_bavail * status.f_frsize, "total": status.f_blocks * status.f_frsize}


def gpus() -> list[dict[str, Any]] | None:
    """Each card with its name, and the bytes of its memory that are `used` and there are in `total`, None for what its
    driver does not tell. None where cards are there and the driver does not answer.
    """
    try:
        lines = nvidia.ask("name,memory.used,memory.total", within=_GPU_WITHIN)
    except nvidia.Silent:
        return None if causes.gpus() else []
    return [_card(line) for line in lines]


def _card(line: str) -> dict[str, Any]:
    name, used, total = (part.strip() for part in [*line.rsplit(",", 2), "", ""][:3])
    return {"name": brief(name, _LONGEST), "used": _bytes(used), "total": _bytes(total)}


def _bytes(mib: str) -> int | None:
    return int(mib) * _MIB if mib.isascii() and mib.isdigit() else None
