"""The service `lease`: python3 -m visomaster_host.lease.serve, as root, on a rented machine with a key of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from visomaster_host import beneath, paths, users
from visomaster_host.choices import Access
from visomaster_host.fetch_state import read_state, seconds
from visomaster_host.files import ROOT, ensure_directory, owner_of
from visomaster_host.host import Host, read_host
from visomaster_host.lease import instance, terms, told
from visomaster_host.lease.activity import Activity
from visomaster_host.lease.api import Vast
from visomaster_host.lease.asked import API
from visomaster_host.lease.clock import Clock
from visomaster_host.lease.door import open_door
from visomaster_host.lease.keeper import GRACE, Keeper, State, World
from visomaster_host.lease.message import Message
from visomaster_host.lease.terms import Terms, TooLate
from visomaster_host.problems import Problem, going_on, reporting, say
from visomaster_host.services import services_of
from visomaster_host.settings import read_settings

TICK = 1.0
"""Seconds between two looks at the time and at what is agreed."""
TELL_EVERY = 30.0
"""Seconds after which it is told again, though nothing has changed: a sign of life."""
_MOST = 4096


def main() -> int:
    """Keep the lease for as long as the machine lives; returns 1 with one line where that cannot be."""
    status = reporting("lease", serve)
    time.sleep(TICK)  # supervisord starts it again at once
    return status


def serve() -> int:
    """Keep the lease. Raises `Problem`, OSError."""
    host, found, settings = read_host(), instance.stored(), read_settings()
    if found is None:
        raise Problem("no key of this box's own: there is nothing to keep a lease with")
    clock, boot = Clock(), boot_mark()
    program = next(service.name for service in services_of(host) if service.is_program)
    world = World(
        agreed=lambda: terms.agreed(settings),
        of_start=lambda: terms.of_start(settings),
        agree=lambda change: agree(change),
        look=Activity(host=host, program=program, files="files").look,
        grace=lambda clock, agreed: grace(clock, agreed, boot),
        say=say,
    )
    keeper = Keeper(Vast(settings.lease_api or API, found), clock, world)
    open_doors(host, keeper)
    say(f"lease: kept for instance {found.number}")
    loop = Loop(
        keeper=keeper, clock=clock, message=Message(host), tell=lambda state: _tell(state, clock, boot, found.number)
    )
    while True:
        loop.turn()
        time.sleep(TICK)


def agree(change: Callable[[Terms], Terms]) -> Terms:
    """Have `change` of what is agreed count from now on. Raises what `change` does, OSError."""
    with terms.alone():
        settings = read_settings()
        try:
            before = terms.agreed(settings)
        except terms.Damaged:
            before = terms.of_start(settings)
        after = change(before)
        if after != before:
            terms.write(after, settings)
    return after


def open_doors(host: Host, keeper: Keeper) -> None:
    """Where the pages and the desktop ask for another hour. Raises OSError."""
    ensure_directory(paths.LEASE_DOOR, mode=0o711)
    pages = owner_of(users.PAGES) if host.access == Access.PORTAL else ROOT
    open_door(paths.LEASE_FOR_PAGES, pages, lambda: keeper.keep(desktop=False))
    open_door(paths.LEASE_FOR_DESKTOP, owner_of(users.DESKTOP), lambda: keeper.keep(desktop=True))


def grace(clock: Clock, agreed: Terms, boot: str) -> float:
    """Until which count of the kernel's a machine lives whose lease is over when it starts, 0 for none: the same for
    all that happens until it is started again.
    """
    before = read_state(paths.LEASE_TOLD)
    if before.get("boot") == boot:
        return seconds(before, "grace")
    if agreed.until is None or agreed.until > clock.now():
        return 0.0
    say(f"lease: it was over before this start: the machine ends in {GRACE / 60:.0f} minutes, if it is not kept")
    return clock.count() + GRACE


def boot_mark() -> str:
    """What tells this start of the container or machine from others."""
    boot = beneath.read(paths.BOOT, _MOST).decode("ascii", "replace").strip()
    first = beneath.read(paths.PROCESSES / "1/stat", _MOST).decode("ascii", "replace")
    return f"{boot} {first.rpartition(')')[2].split()[19]}"


def _tell(state: State, clock: Clock, boot: str, number: str) -> None:
    with going_on("lease", "the portal and the desktop's menu show what was before"):
        told.write(state, clock.now(), boot, number)


@dataclass(kw_only=True)
class Loop:
    """What is done again and again."""

    keeper: Keeper
    clock: Clock
    message: Message
    tell: Callable[[State], None]
    _told: object = None
    _told_at: float = 0.0

    def turn(self) -> None:
        """One look at everything, told where it has changed."""
        state = self.keeper.step()
        now, count = self.clock.now(), self.clock.count()
        shown = {name: value for name, value in told.document(state, now).items() if name != "in"}
        if shown != self._told or count - self._told_at >= TELL_EVERY:
            self.tell(state)
            self._told, self._told_at = shown, count
        left = state.ending.at - now if state.ending else 0.0
        if self.message.show(None if state.asked else state.ending, left, count):
            try:
                self.keeper.keep(desktop=True)
            except (TooLate, OSError) as reason:
                say(f"lease: not kept: {reason}")


if __name__ == "__main__":
    sys.exit(main())
