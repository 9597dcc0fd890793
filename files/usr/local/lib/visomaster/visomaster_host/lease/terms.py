"""What is agreed of the end of this machine: by a start's variables, or since then by a person.

A person's word is kept in a file of root's, and counts as long as the start's variables are what they were when it was
given: one who edits those means the new ones.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from visomaster_host import beneath, container, paths
from visomaster_host.files import ROOT, ensure_directory, write_atomic
from visomaster_host.lease import times
from visomaster_host.lease.asked import IDLE, LONGEST_IDLE, OnEnd
from visomaster_host.settings import Settings
from visomaster_host.text import Told

HOUR = 3600
MOST_KEPT = 24 * HOUR
"""Seconds that the portal's button adds to what was agreed, at most."""
MOST_KEPT_ON_DESKTOP = 3 * HOUR
"""Seconds of these that the desktop may add: what is clicked there may be the program's doing."""

_MOST = 4096  # bytes


class TooLate(Told):
    """The machine is not kept any longer; its text is one line that says why."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is agreed. Times in seconds since 1970, None without a lease: `until` is its end now, `given` the end before
    anybody pressed a button. `idle` is in minutes, 0 for never. `kept` and `kept_on_desktop` are the seconds that
    buttons have added.
    """

    until: int | None = None
    given: int | None = None
    on_end: OnEnd = OnEnd.STOP
    idle: int = 0
    kept: int = 0
    kept_on_desktop: int = 0

    def another_hour(self, now: float, *, desktop: bool) -> Terms:
        """These and an hour more, from `now` where the lease is over. Raises `TooLate` when no more can be had so."""
        if self.until is None:
            return self
        own, most = (
            (self.kept_on_desktop, MOST_KEPT_ON_DESKTOP) if desktop else (self.kept + self.kept_on_desktop, MOST_KEPT)
        )
        if own + HOUR > most or self.kept + self.kept_on_desktop + HOUR > MOST_KEPT:
            where = "from the desktop" if desktop else "so"
            raise TooLate(
                f"it was kept for {most // HOUR} hours {where} already, which is the most: as root, "
                "visomaster-lease --extend 1h"
            )
        on_desktop = self.kept_on_desktop + (HOUR if desktop else 0)
        kept = self.kept + (0 if desktop else HOUR)
        return replace(self, until=int(max(self.until, now)) + HOUR, kept=kept, kept_on_desktop=on_desktop)


def of_start(settings: Settings) -> Terms:
    """What the variables of the start say."""
    until = times.parse(settings.lease_until) if settings.lease_until else None
    idle = int(settings.idle) if settings.idle else (IDLE if until is not None else 0)
    return Terms(until=until, given=until, on_end=OnEnd(settings.on_end or OnEnd.STOP), idle=idle)


def agreed(settings: Settings) -> Terms:
    """What counts now. Raises `Damaged` where the file is none: then `of_start` counts."""
    try:
        kept = json.loads(beneath.read(paths.LEASE, _MOST))
    except FileNotFoundError:
        return of_start(settings)
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{paths.LEASE} cannot be read ({error}): visomaster-lease --until writes it anew") from None
    if not isinstance(kept, dict):
        raise Damaged(f"{paths.LEASE} holds no object: visomaster-lease --until writes it anew")
    if kept.get("container") != container.identity() or kept.get("start") != _signature(settings):
        return of_start(settings)
    try:
        return _read(kept)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{paths.LEASE}: {error}: visomaster-lease --until writes it anew") from None


class Damaged(Told):
    """The file with what is agreed is no such file; its text is one line."""


def _read(kept: dict[str, Any]) -> Terms:
    until, given = (None if kept[name] is None else times.parse(kept[name]) for name in ("until", "given"))
    numbers = {name: kept[name] for name in ("idle", "kept", "kept_on_desktop")}
    for name, value in numbers.items():
        if type(value) is not int or not 0 <= value <= (LONGEST_IDLE if name == "idle" else MOST_KEPT):
            raise ValueError(f"{name}: expected a number in its range, got {value!r}")
    return Terms(until=until, given=given, on_end=OnEnd(kept["on_end"]), **numbers)


def write(terms: Terms, settings: Settings) -> None:
    """Have `terms` count from now on, over restarts, in this container. Raises OSError."""
    kept = {
        "container": container.identity(),
        "start": _signature(settings),
        "until": None if terms.until is None else _exact(terms.until),
        "given": None if terms.given is None else _exact(terms.given),
        "on_end": str(terms.on_end),
        "idle": terms.idle,
        "kept": terms.kept,
        "kept_on_desktop": terms.kept_on_desktop,
    }
    ensure_directory(paths.STATE, mode=0o755)
    write_atomic(paths.LEASE, (json.dumps(kept, indent=2) + "\n").encode(), mode=0o600, owner=ROOT)


def _exact(seconds: int) -> str:
    return f"{times.show(seconds)[:-1]}:{seconds % 60:02d}Z"


def _signature(settings: Settings) -> list[str]:
    return [settings.lease_until, settings.on_end, settings.idle]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Nobody else changes what is agreed meanwhile. Raises OSError."""
    ensure_directory(paths.RUN, mode=0o755)
    lock = os.open(paths.LEASE_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
