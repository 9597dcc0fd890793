"""A client of a fake account, with a clock that both go by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from tests.fake_vast import KEY, FakeClock, FakeVast, Fault, offer
from vast.api import Api
from vast.boxes import Box, read_box
from vast.calls import Ask, Calls

LABEL = "visomaster alt until=2026-11-27T05:00Z by=anna mark=0a1b2c3d"


class Renter:
    """Who rents: `said` is what was told meanwhile."""

    def __init__(self, account: FakeVast, clock: FakeClock) -> None:
        self.account, self.clock, self.said = account, clock, [""]
        self.calls = Calls(Api(account.url, KEY, say=self.said.append, sleep=clock.sleep, clock=clock))

    def ask(self, **changes: Any) -> Ask:
        """What the tests ask for."""
        return Ask(**{"image": "nvidia/cuda:12.4.1-runtime-ubuntu22.04", "disk": 32, "label": LABEL, **changes})

    def create(self, *faults: Fault) -> int:
        """A box of the first offer, after `faults` were ordered."""
        for fault in faults:
            self.account.order(fault)
        return self.calls.create(self.account.offers[0]["id"], self.ask())

    def box(self, number: int, after: float = 0) -> Box | None:
        """The box, `after` seconds from now."""
        self.clock.sleep(after)
        raw = self.calls.instance(number)
        return None if raw is None else read_box(raw)

    def status(self, number: int, after: float = 0) -> str:
        """Its state, `after` seconds from now."""
        box = self.box(number, after)
        return "gone" if box is None else box.status


@contextmanager
def rented(clock: FakeClock | None = None, **changes: Any) -> Iterator[Renter]:
    """An account with two offers, changed, and somebody who rents there."""
    clock = clock or FakeClock()
    account = FakeVast(**{"clock": clock, "offers": [offer(1), offer(2)], **changes})
    with mock.patch.dict(os.environ, {"NO_PROXY": "127.0.0.1"}), account.serving():
        yield Renter(account, clock)
