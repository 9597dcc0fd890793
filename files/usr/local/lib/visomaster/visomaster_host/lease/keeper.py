"""What ends a rented machine: at the end of its lease, or when nobody has used it for a while.

One look after another, each a plain function of the time and of what is agreed; nothing is remembered that a restart
of this process would need, but what is in files.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from visomaster_host.lease import times
from visomaster_host.lease.api import Failed, Reply
from visomaster_host.lease.asked import OnEnd
from visomaster_host.lease.clock import Clock
from visomaster_host.lease.price import Price, price_in
from visomaster_host.lease.terms import HOUR, Damaged, Terms, TooLate

GRACE = 15 * 60.0
"""Seconds that a machine lives which was started when its lease was over: somebody wants something of it."""
LOOK_EVERY = 15.0
"""Seconds between two looks whether it is used."""
ASK_EVERY, ASK_AGAIN = 3600.0, 600.0
"""Seconds between two questions for the time, and after one that was not answered."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0
"""Seconds between two tries to end the machine, twice as long each time; after the longest it is asked for again, if it
lives on though Vast has said yes."""
_UNTIL = re.compile(r"(?<= )until=[^ ]*")
_LONGEST_LABEL = 256


class Ends(Protocol):
    """Vast's API, as this machine may use it; see `visomaster_host.lease.api.Vast`."""

    def look(self) -> Reply: ...
    def stop(self) -> Reply: ...
    def destroy(self) -> Reply: ...
    def label(self, text: str) -> Reply: ...


@dataclass(frozen=True, kw_only=True)
class Ending:
    """When the machine ends as things are, in seconds since 1970, what happens then, and whether for want of use."""

    at: float
    how: OnEnd
    idle: bool


def ending(terms: Terms, *, grace: float, idle_at: float | None) -> Ending | None:
    """The next end under `terms`: that of the lease, not before `grace`, or that of use at `idle_at`. None for none."""
    over = [] if terms.until is None else [Ending(at=max(terms.until, grace), how=terms.on_end, idle=False)]
    unused = [] if idle_at is None else [Ending(at=idle_at, how=OnEnd.STOP, idle=True)]
    return min((*over, *unused), key=lambda each: each.at, default=None)


@dataclass(frozen=True, kw_only=True)
class State:
    """What is told of it: until which count of the kernel's there is `grace`, 0 for none; `trouble` is one line,
    `asked` whether Vast has agreed to end the machine, `price` what it costs, None where Vast does not say.
    """

    terms: Terms
    ending: Ending | None
    grace: float = 0.0
    trouble: str = ""
    asked: bool = False
    price: Price | None = None


@dataclass(frozen=True, kw_only=True)
class World:
    """What the keeper needs of the machine: what is `agreed` and how that is changed (`agree`, under its lock), what is
    at work (`look`), the `grace` of this start, where lines go."""

    agreed: Callable[[], Terms]
    of_start: Callable[[], Terms]
    agree: Callable[[Callable[[Terms], Terms]], Terms]
    look: Callable[[float], str]
    grace: Callable[[Clock, Terms], float]
    say: Callable[[str], None]


class Keeper:
    """Keeps the lease. `step` is called again and again, in one thread; `keep` in any."""

    def __init__(self, vast: Ends, clock: Clock, world: World) -> None:
        self._vast, self._clock, self._world = vast, clock, world
        self._lock = threading.Lock()
        self._used = clock.count()
        self._held = 0.0
        self._look_at = self._ask_at = self._try_at = 0.0
        self._tries = 0
        self._grace: float | None = None
        self._until: int | None = None
        self._asking = self._asked = False
        self._damaged = self._refused = self._unknown = ""
        self._said: dict[str, str] = {}
        self._price: Price | None = None

    def step(self) -> State:
        """One look; what has to be done now is done."""
        terms = self._terms()
        if self._clock.count() >= self._ask_at:
            self._ask(terms)
        if self._grace is None:
            self._grace, self._until = self._world.grace(self._clock, terms), terms.until
        elif terms.until != self._until:
            self._until = terms.until
            self._rename(terms)
        self._look()
        found = self._ending(terms)
        if found is None or found.at > self._clock.now():
            self._tries, self._try_at, self._asked, self._refused = 0, 0.0, False, ""
        elif self._clock.count() >= self._try_at:
            self._end(found)
        trouble = self._damaged or self._refused or self._unknown
        grace = self._grace or 0.0
        return State(terms=terms, ending=found, grace=grace, trouble=trouble, asked=self._asked, price=self._price)

    def keep(self, *, desktop: bool) -> str:
        """Keep the machine for another hour; returns the line that says until when. Raises `TooLate`, OSError."""
        with self._lock:
            if self._asking or self._asked:
                raise TooLate("it is being ended at this moment: start it again in Vast's console")
            now = self._clock.now()
            terms = self._world.agree(lambda terms: terms.another_hour(now, desktop=desktop))
            self._held = self._clock.count() + HOUR
        told = f"kept for another hour{f', until {times.spoken(terms.until)}' if terms.until else ''}"
        self._world.say(f"lease: {told}, from the {'desktop' if desktop else 'portal'}")
        return told

    def _terms(self) -> Terms:
        try:
            terms, self._damaged = self._world.agreed(), ""
        except Damaged as damaged:
            terms, self._damaged = self._world.of_start(), str(damaged)
        self._say_once("file", self._damaged)
        return terms

    def _look(self) -> None:
        """See whether the machine is used, when it is time to."""
        count = self._clock.count()
        if count < self._look_at:
            return
        self._look_at = count + LOOK_EVERY
        what = self._world.look(count)
        if what:
            self._used = count
        self._say_once("use", f"in use: {what.partition(' (')[0]}" if what else "not in use")

    def _ending(self, terms: Terms) -> Ending | None:
        now, count = self._clock.now(), self._clock.count()
        grace = now + self._grace - count if self._grace else 0.0
        idle_at = now + max(self._used + 60 * terms.idle, self._held) - count if terms.idle else None
        return ending(terms, grace=grace, idle_at=idle_at)

    def _ask(self, terms: Terms) -> None:
        """What time is it, and is the key taken? Better known now than at the end."""
        failure: Failed | None = None
        try:
            reply = self._vast.look()
            at, self._price = reply.at, price_in(reply)
        except Failed as failed:
            at, failure = failed.at, failed
        # It may be that a machine is not told about itself (403), and may end itself all the same.
        refused = failure is not None and failure.status in (401, 404)
        again = failure is not None and (refused or failure.status in (0, 429) or failure.status >= 500)
        self._ask_at = self._clock.count() + (ASK_AGAIN if again else ASK_EVERY)
        self._unknown = f"this box may not end by itself: {failure}" if refused else ""
        self._say_once("asked", str(failure or ""))
        self._say_once("clock", self._clock.told(at))

    def _rename(self, terms: Terms) -> None:
        """Have the machine's label at Vast say the new end. Where that is refused, the file here is right anyway."""
        try:
            label = label_of(self._vast.look())
            if terms.until is not None and (new := _UNTIL.sub(f"until={times.show(terms.until)}", label)) != label:
                self._vast.label(new)
        except Failed as failed:
            self._world.say(f"lease: its label at Vast still has the old end: {failed}")

    def _end(self, found: Ending) -> None:
        """Stop or destroy this machine, unless Vast's time says that it is too early. Tried again until it is done."""
        with self._lock:
            self._asking = True
        try:
            terms = self._terms()
            if not (self._asked or found.idle):  # use is counted by the kernel
                self._ask(terms)
            now = self._ending(terms)
            if now is None or now.at > self._clock.now():
                return  # kept meanwhile
            found = now
            self._call(found)
        except Failed as failed:
            self._note_failure(found, failed)
        finally:
            with self._lock:
                self._asking = False

    def _call(self, found: Ending) -> None:
        why = "nobody has used it for long enough" if found.idle else "the lease is over"
        self._world.say(f"lease: {why}: asking Vast to {found.how} this box")
        if found.how is OnEnd.DESTROY:
            self._vast.destroy()
        else:
            self._vast.stop()
        self._asked, self._refused, self._tries = True, "", 0
        self._try_at = self._clock.count() + LONGEST_WAIT
        self._world.say(f"lease: Vast has agreed to {found.how} this box")

    def _note_failure(self, found: Ending, failed: Failed) -> None:
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._tries, 10))
        wait = max(wait * random.uniform(0.8, 1.2), min(failed.wait, LONGEST_WAIT))  # noqa: S311 - no secret
        self._tries += 1
        self._try_at = self._clock.count() + wait
        self._refused = f"Vast was asked to {found.how} this box: {failed}; it is tried again, or use Vast's console"
        self._world.say(f"lease: cannot {found.how} this box: {failed}; trying again in {wait:.0f} s")

    def _say_once(self, about: str, line: str) -> None:
        """Say `line` when it is another one than before."""
        if line and self._said.get(about) != line:
            self._world.say(f"lease: {line}")
        self._said[about] = line


def label_of(reply: Reply) -> str:
    """How the instance is called by `reply`; empty where it is not told."""
    told = reply.content.get("instances")
    told = told[0] if isinstance(told, list) and told else told
    label = told.get("label") if isinstance(told, dict) else None
    return label if isinstance(label, str) and len(label) <= _LONGEST_LABEL else ""
