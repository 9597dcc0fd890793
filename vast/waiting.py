"""Waiting for a box, a step at a time: what happens is told with each, and whoever drives it may stop between two."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from visomaster_host.text import Told

from vast.boxes import Box, read_box
from vast.errors import OfferGone, VastError
from vast.jobs import Job
from vast.machine import Machine
from vast.offers import require_price

PAUSE = 2.0
"""Seconds between two looks at the same box: the least that Vast asks for."""

LOOK = 15.0
"""Seconds between two looks at a box that runs."""

SSH_WITHIN = 300.0
"""Seconds from `running` until somebody answers at the port of SSH: Vast installs it at the first start."""


class Unfit(Told):
    """This machine is not what was paid for, in one line: its box is ended and another one taken."""


class Looks(Protocol):
    """What is asked of Vast while one waits."""

    def instance(self, number: int) -> dict[str, Any] | None:
        """As Vast describes it; nothing when it is gone."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """`seconds` by `clock`, which no correction of the wall's clock moves; `what` is waited for."""

    what: str
    seconds: float
    clock: Callable[[], float] = time.monotonic

    def begin(self) -> Callable[[], None]:
        """A check that raises `Unfit` once they are over."""
        ends = self.clock() + self.seconds

        def check() -> None:
            if self.clock() > ends:
                raise Unfit(f"{self.what} took more than {self.seconds / 60:.0f} min")

        return check


def until_running(account: Looks, number: int, agreed: float, patience: Patience) -> Generator[str, None, Box]:
    """Tell what Vast says of box `number` until it runs and can be reached; the return value is the box.

    Raises `Unfit` for one that will not, is gone, or costs more than `agreed` dollars an hour; `VastError`.
    """
    check = patience.begin()
    while True:
        box = _looked_at(account, number, agreed, "it will not start")
        if box.status == "running" and box.endpoint:
            return box
        check()
        yield f"{box.status}: {box.message}" if box.message else box.status


def while_running(
    account: Looks, number: int, agreed: float, turns: Iterator[str], clock: Callable[[], float] = time.monotonic
) -> Iterator[str]:
    """Tell what `turns` tell as long as box `number` runs.

    Raises `Unfit` for one that does not any more, is gone, or costs more than `agreed` dollars an hour: a higher bid or
    the machine's owner takes a box at any moment, and no step on it would notice before its own time is over.
    """
    looks_at = clock() + LOOK
    for what in turns:
        yield what
        if clock() >= looks_at:
            looks_at = clock() + LOOK
            with suppress(VastError):  # the steps go on without Vast
                _looked_at(account, number, agreed, "it does not run any more")


def _looked_at(account: Looks, number: int, agreed: float, hopeless: str) -> Box:
    raw = account.instance(number)
    if raw is None:
        raise Unfit("it is gone from the account")
    box = read_box(raw)
    if box.hopeless:
        raise Unfit(f"{hopeless}: {box.hopeless}")
    try:
        require_price(box, agreed)
    except OfferGone as error:
        raise Unfit(str(error).removeprefix("Vast.ai: ")) from None
    return box


def until_ssh(machine: Machine, denied: Callable[[], None], patience: Patience) -> Iterator[str]:
    """Tell so until a command runs on `machine`. `denied` is called once when it refuses the key. Raises `Unfit`."""
    check, asked_again, last = patience.begin(), False, ""
    while True:
        with machine.begin("true", "ssh.log") as job:
            while job.status() is None:
                _in_time(check, last)
                yield f"running: waiting for SSH: {last}" if last else "running: waiting for SSH"
            if job.status() == 0:
                return
            last = job.last()
        if "Permission denied" in last and not asked_again:
            asked_again = True
            denied()
        _in_time(check, last)
        yield f"running: waiting for SSH: {last}"


def _in_time(check: Callable[[], None], last: str) -> None:
    """Raises `Unfit`, with what was seen `last`, when `check` does."""
    try:
        check()
    except Unfit as error:
        raise Unfit(f"{error}: {last}" if last else str(error)) from None


def until_done(starting: AbstractContextManager[Job], what: str, patience: Patience) -> Generator[str, None, Job]:
    """Tell the last line of what runs until it ends; the return value is the job. Raises `Unfit` when it takes long."""
    check = patience.begin()
    with starting as job:
        while job.status() is None:
            try:
                check()
            except Unfit as error:
                raise Unfit(f"{error}; it said last: {job.last()}") from None
            yield f"{what}: {job.last()}"
        return job


def until_ready(machine: Machine, patience: Patience) -> Iterator[str]:
    """Tell what is missing until a person could use the desktop. Raises `Unfit`."""
    check, missing = patience.begin(), ""
    while True:
        with machine.begin("visomaster-ready", "ready.log") as job:
            while job.status() is None:
                _in_time(check, missing)
                yield f"desktop: {missing or 'is it ready?'}"
            if job.status() == 0:
                return
            missing = job.last()
        _in_time(check, missing)
        yield f"desktop: {missing}"
