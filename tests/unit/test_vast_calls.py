"""The calls that rent, change and end boxes, against an account that behaves and one that does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fake_vast import KEY, FakeClock, FakeVast, offer
from vast.api import Api
from vast.boxes import read_box
from vast.calls import Ask, Calls

LABEL = "visomaster alt until=2026-11-27T05:00Z by=anna mark=0a1b2c3d"


class Renter:
    """An account, a client of it, and a clock that both go by."""

    def __init__(self, account: FakeVast, clock: FakeClock) -> None:
        self.account, self.clock, self.said = account, clock, [""]
        self.calls = Calls(Api(account.url, KEY, say=self.said.append, sleep=clock.sleep, clock=clock))

    def ask(self, **changes: object) -> Ask:
        """What the tests ask for."""
        return Ask(**{"image": "nvidia/cuda:12.4.1-runtime-ubuntu22.04", "disk": 32, "label": LABEL, **changes})  # type: ignore[arg-type]

    def create(self) -> int:
        """A box of the first offer."""
        return self.calls.create(self.account.offers[0]["id"], self.ask())

    def wait(self, number: int, seconds: float) -> str:
        """The box's state after `seconds`."""
        self.clock.sleep(seconds)
        raw = self.calls.instance(number)
        return "gone" if raw is None else read_box(raw).status


@pytest.fixture
def renter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Renter]:
    """An account with two offers."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    clock = FakeClock()
    with FakeVast(clock=clock, offers=[offer(1), offer(2)]).serving() as account:
        yield Renter(account, clock)


def test_a_box_from_its_offer_to_its_end(renter: Renter) -> None:
    """Every call once, in the documented forms; the books say what it has cost."""
    (first, _) = renter.calls.search({"num_gpus": {"eq": 1}})
    number = renter.calls.create(first["id"], renter.ask(onstart="visomaster-start", ports=(11111,)))
    created = renter.account.books.calls("PUT", "/asks/1/")[0].body
    assert created["label"] == LABEL and created["cancel_unavail"] is True
    assert created["env"] == {"-p 11111:11111": "1"} and created["onstart"] == "visomaster-start"
    assert renter.calls.labelled(LABEL) == [number]
    assert [renter.wait(number, seconds) for seconds in (0, 2, 3)] == ["provisioning", "loading", "running"]
    renter.calls.attach_key(number, "ssh-ed25519 AAAA me\n")
    renter.calls.label(number, "another")
    assert renter.account.books.contracts[number].keys == ["ssh-ed25519 AAAA me"]
    assert renter.calls.logs(number) == f"a log of /logs/{number}\n"
    renter.calls.set_state(number, "stopped")
    assert renter.wait(number, 3600) == "exited"
    renter.calls.set_state(number, "running")
    assert renter.wait(number, 3600) == "running"
    renter.calls.end(number)
    renter.account.nobody_unknown()
    assert 0.30 < renter.account.books.dollars(renter.clock()) < 0.35
