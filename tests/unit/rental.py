"""A rental on an account of five machines, in no time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fake_vast import KEY, FakeClock, FakeVast
from vast.api import Api
from vast.books import Attempt, Books
from vast.boxes import Box
from vast.calls import Ask, Calls
from vast.lease import Lease, new_lease
from vast.offers import Offer, read_offer
from vast.owned import Owned
from vast.renting import Limits, Rental
from vast.waiting import Unfit

AGREED_DISK = 32


class Interrupted(BaseException):
    """As a signal's handler raises it."""


@dataclass
class Told:
    """A screen that remembers."""

    lines: list[str] = field(default_factory=list)
    is_terminal: bool = False

    def say(self, line: str) -> None:
        self.lines.append(line)

    bad = say

    def row(self, line: str, colour: object) -> None:
        self.lines.append(line)

    def now(self, what: str, since: str) -> None:
        """What happens is not asked for here."""


@dataclass
class Plain:
    """Steps without a machine; `fails` says why the next boxes are no good."""

    clock: FakeClock
    fails: list[str] = field(default_factory=list)
    lasts: float = 0.0
    during: Callable[[], None] | None = None

    def lease(self) -> Lease:
        return new_lease("alt", 4, "anna", self.clock())

    def ask(self, lease: Lease) -> Ask:
        return Ask(image="name/visomaster:portal-latest", disk=AGREED_DISK, label=lease.label())

    def prepare(self, box: Box, attempt: Attempt) -> Generator[str, None, None]:
        yield "preparing"
        ends = self.clock() + self.lasts
        while self.clock() < ends:
            yield "preparing"
        if self.during:
            self.during()
        if self.fails:
            raise Unfit(self.fails.pop(0))

    def finish(self, box: Box, attempt: Attempt) -> Iterator[str]:
        yield "finishing"


class Bench:
    """A rental of an account with five machines, in no time."""

    def __init__(self, account: FakeVast, clock: FakeClock, folder: Path) -> None:
        self.account, self.clock, self.screen = account, clock, Told()
        self.books = Books(folder)
        self.calls = Calls(Api(account.url, KEY, say=self.screen.say, sleep=clock.sleep, clock=clock))
        self.steps = Plain(clock)
        self.owned = Owned(calls=self.calls, books=self.books, screen=self.screen, environment={}, sleep=clock.sleep)  # type: ignore[arg-type]

    def offers(self) -> list[Offer]:
        return [read_offer(raw) for raw in self.account.offers]

    def run(self, offers: list[Offer] | None = None, count: int = 1) -> list[Attempt]:
        limits = Limits(count=count, tries=3, up=600, disk=AGREED_DISK)
        rental = Rental(
            self.calls,
            self.books,
            self.steps,
            self.screen,
            limits,
            sleep=self.clock.sleep,
            clock=self.clock,
            wall=self.clock,
        )
        return rental.run(self.offers() if offers is None else offers)

    @property
    def said(self) -> str:
        return "\n".join(self.screen.lines)
