"""From offers to boxes that have computed, and no box that nobody knows of: the order of things.

Each wanted box is a generator that tells what happens; `Rental.run` lets them take turns. Whatever ends that (a signal,
a broken line, a mistake here) ends in `_end_all`: a box that was not handed over is destroyed, or a line says that it
lives, what it costs and the command that ends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from visomaster_host.text import Told, brief

from vast.books import Attempt, Books
from vast.boxes import Box
from vast.calls import Ask
from vast.errors import CreatedButRefused, OfferGone, VastError
from vast.lease import Lease
from vast.offers import Offer
from vast.shown import lasted
from vast.waiting import PAUSE, Looks, Patience, Unfit, until_running, while_running

GONE_MOST = 20
"""Offers in a row that were gone when they were asked for: then the list is too old to go on with."""


class RentError(Told):
    """Why there is no box, or not as many as were wanted, in one line."""


class Account(Looks, Protocol):
    """What is asked of Vast."""

    def create(self, offer: int, ask: Ask) -> int:
        """The number of the box; see `vast.calls.Calls`."""

    def labelled(self, label: str) -> list[int]:
        """The numbers of the boxes with a label."""

    def end(self, number: int) -> None:
        """Destroy it and wait until it is gone. Raises `StillThere`."""


class Screen(Protocol):
    """Where a person is told."""

    def say(self, line: str) -> None:
        """A line that stays."""

    def bad(self, line: str) -> None:
        """One that must not be missed."""

    def now(self, what: str, since: str) -> None:
        """What happens."""


class Steps(Protocol):
    """What is done with a box that runs."""

    def lease(self) -> Lease:
        """A new lease, with a mark of its own."""

    def ask(self, lease: Lease) -> Ask:
        """What is to be created."""

    def prepare(self, box: Box, attempt: Attempt) -> Generator[str, None, None]:
        """Make it a desktop and prove that it computes; closed, it ends what it has begun. Raises `Unfit`."""

    def finish(self, box: Box, attempt: Attempt) -> Iterator[str]:
        """What may fail without making the box a bad one."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`count` boxes, each on one of `tries` machines; `up` seconds until one runs; `disk` in GB."""

    count: int
    tries: int
    up: float
    disk: int


@dataclass
class Slot:
    """One wanted box: what happens with it now, and since when (seconds of the clock)."""

    turns: Generator[str, None, Attempt]
    begun: float
    what: str = ""
    attempt: Attempt | None = None
    failed: str = ""


class Rental:
    """One run. `clock` is monotonic seconds, `wall` seconds since 1970."""

    def __init__(
        self,
        account: Account,
        books: Books,
        steps: Steps,
        screen: Screen,
        limits: Limits,
        *,
        key: str = "",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Rent from `account`, with all that this needs."""
        self._account, self._books, self._steps, self._screen = account, books, steps, screen
        self._limits, self._key, self._sleep, self._clock, self._wall = limits, key, sleep, clock, wall
        self._alive: list[Attempt] = []
        self._offers: list[Offer] = []
        self._tried: set[int] = set()

    def run(self, offers: Sequence[Offer]) -> list[Attempt]:
        """The boxes that were handed over, of `offers`, the best first; each is told when it is.

        Raises `RentError` when there are fewer than were wanted.
        """
        self._offers = list(offers)
        slots = [Slot(turns=self._one(), begun=self._clock()) for _ in range(self._limits.count)]
        try:
            while waiting := [slot for slot in slots if not slot.attempt and not slot.failed]:
                for slot in waiting:
                    self._turn(slot)
                self._show(waiting)
                self._sleep(PAUSE / 2)
        finally:
            self._end_all(slots)
        good = [slot.attempt for slot in slots if slot.attempt]
        if len(good) < self._limits.count:
            reasons = "; ".join(dict.fromkeys(slot.failed for slot in slots if slot.failed))
            raise RentError(f"{len(good)} of {self._limits.count} rented: {reasons}")
        return good

    def _turn(self, slot: Slot) -> None:
        """Let `slot` go on to its next wait."""
        try:
            slot.what = next(slot.turns)
        except StopIteration as done:
            slot.attempt = done.value
        except (RentError, VastError, OSError) as error:  # other boxes go on; `_end_all` sees to what this one leaves
            slot.failed = brief(error)

    def _show(self, waiting: Sequence[Slot]) -> None:
        slot = waiting[0]
        spent = sum(one.hourly * max(0.0, self._wall() - one.begun) / 3600 for one in self._alive)
        others = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        self._screen.now(f"{slot.what}{others}", f"{lasted(self._clock() - slot.begun)}  ${spent:.3f}")

    def _one(self) -> Generator[str, None, Attempt]:
        """Rent until one machine is good. Raises `RentError`, `VastError`, `StillThere`."""
        for _ in range(self._limits.tries):
            attempt = yield from self._taken()
            try:
                box = yield from self._prepared(attempt)
            except Unfit as error:
                self._screen.say(f"{attempt.name} ({attempt.gpu}): {error}: it is ended")
                self._end(attempt)
                continue
            attempt.hand_over()
            self._alive.remove(attempt)
            self._screen.say(is_yours(attempt))
            yield from self._steps.finish(box, attempt)
            attempt.release()
            return attempt
        raise RentError(f"none of {self._limits.tries} machines was good; TRIES= allows more")

    def _prepared(self, attempt: Attempt) -> Generator[str, None, Box]:
        patience = Patience(what="its start", seconds=self._limits.up, clock=self._clock)
        number = attempt.number or 0
        box = yield from until_running(self._account, number, attempt.hourly, patience)
        with closing(self._steps.prepare(box, attempt)) as steps:
            yield from while_running(self._account, number, attempt.hourly, steps, self._clock)
        return box

    def _taken(self) -> Generator[str, None, Attempt]:
        """A box of the next offer that is still there. Raises `RentError` when there is none."""
        for _ in range(GONE_MOST):
            offer = self._next_offer()
            lease = self._steps.lease()
            attempt = self._begun(offer, lease)
            try:
                attempt.numbered(self._account.create(offer.id, self._steps.ask(lease)))
            except OfferGone as error:
                self._screen.say(f"{error}: the next one")
                self._drop(attempt)
            except CreatedButRefused as error:
                self._screen.say(str(error))
                self._end_refused(attempt, error.ids)
            else:
                self._screen.say(f"{attempt.name}: {offer.gpu}, {offer.place}, ${attempt.hourly:.3f}/h")
                return attempt
            yield "asking for the next offer"
        raise RentError(f"{GONE_MOST} offers were gone one after another: try again")

    def _next_offer(self) -> Offer:
        while self._offers:
            offer = self._offers.pop(0)
            if offer.machine_id not in self._tried:
                self._tried.add(offer.machine_id)
                return offer
        raise RentError("no offer is left that fits: raise MAX_PRICE=, or try again later")

    def _begun(self, offer: Offer, lease: Lease) -> Attempt:
        attempt = Attempt(
            mark=lease.mark or "",
            label=lease.label(),
            variant=lease.variant or "",
            gpu=offer.gpu,
            machine=offer.machine_id,
            hourly=offer.hourly(self._limits.disk),
            begun=self._wall(),
            key=self._key,
        )
        self._alive.append(self._books.begin(attempt))
        return attempt

    def _drop(self, attempt: Attempt) -> None:
        """There is no such box (any more)."""
        self._alive.remove(attempt)
        attempt.forget()

    def _end(self, attempt: Attempt) -> None:
        """Destroy its box. Raises `StillThere`."""
        self._account.end(attempt.number or 0)
        self._drop(attempt)

    def _end_refused(self, attempt: Attempt, numbers: Sequence[int]) -> None:
        for number in numbers:
            attempt.numbered(number)
            self._account.end(number)
        self._drop(attempt)

    def _end_all(self, slots: Sequence[Slot]) -> None:
        """Destroy all that was not handed over, or say that it lives; name what could not be.

        Whoever interrupts this wants to be gone: then what is left is named and not waited for.
        """
        hurry = False
        for slot in slots:
            slot.turns.close()
        for attempt in list(self._alive):
            try:
                if hurry:
                    raise VastError("interrupted")
                self._end_unfinished(attempt)
            except BaseException as error:
                hurry = hurry or not isinstance(error, Exception)
                self._screen.bad(lives(attempt, brief(error) or "interrupted"))
                attempt.release()

    def _end_unfinished(self, attempt: Attempt) -> None:
        """Raises `VastError`: it lives, or nobody knows."""
        numbers = [attempt.number] if attempt.number else self._account.labelled(attempt.label)
        if not numbers:
            # Its creation was cut off: a moment later it may be there.
            self._sleep(5 * PAUSE)
            numbers = self._account.labelled(attempt.label)
        for number in numbers:
            attempt.number = number
            self._screen.say(f"vast-{number} is being ended")
            self._account.end(number)
        self._drop(attempt)
        if numbers:
            self._screen.say(f"{attempt.name} is gone, it cost about ${self._cost(attempt):.3f}")

    def _cost(self, attempt: Attempt) -> float:
        return attempt.hourly * max(0.0, self._wall() - attempt.begun) / 3600


def is_yours(attempt: Attempt) -> str:
    """The line about a box that was handed over. From here on an interruption leaves it."""
    box = f"{attempt.name} has computed and is yours, ${attempt.hourly:.3f}/h, {attempt.label}"
    return f"{box}: make open BOX={attempt.number}, make end BOX={attempt.number}"


def lives(attempt: Attempt, reason: str) -> str:
    """The line about a box that may live on: which, what it costs, what ends it."""
    if attempt.number:
        command = f"make end BOX={attempt.number} KEEP=no, or: vastai destroy instance {attempt.number}"
        return f"{attempt.name} LIVES ON and costs ${attempt.hourly:.3f}/h ({reason}); end it with: {command}"
    return f"{attempt.name} may live and cost ${attempt.hourly:.3f}/h ({reason}); look with: make boxes"
