"""What a rented machine costs: as Vast says it, and not at all where that is not known."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from visomaster_host import paths
from visomaster_host.files import Owner
from visomaster_host.lease import told
from visomaster_host.lease.api import Failed, Reply
from visomaster_host.lease.clock import since_boot
from visomaster_host.lease.keeper import State
from visomaster_host.lease.price import Price, price_in
from visomaster_host.lease.terms import HOUR, Terms

from tests.unit.lease_world import BEGAN, Machine

PRICE = Price(hourly=0.212, since=BEGAN - 7200.0)
FACTS = {"dph_total": 0.212, "start_date": BEGAN - 7200.0}


def answer(facts: object) -> Reply:
    return Reply(content={"instances": facts}, at=BEGAN)


@pytest.mark.parametrize("facts", [FACTS, [FACTS], {**FACTS, "label": "x", "dph_total": 0.212}])
def test_the_price_of_an_answer(facts: object) -> None:
    assert price_in(answer(facts)) == PRICE


@pytest.mark.parametrize(
    "facts",
    [
        *(None, [], "x", {}, [None]),
        *({**FACTS, "dph_total": value} for value in (None, 0, -1, "0.2", True, math.nan, math.inf, 1e9)),
        *({**FACTS, "start_date": value} for value in (None, 0, "x", math.nan, 12.0)),
    ],
)
def test_what_is_no_price_is_none(facts: object) -> None:
    assert price_in(answer(facts)) is None


def test_it_is_asked_with_the_time_and_kept_when_vast_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without a lease; one that was never told is none."""
    machine = Machine(agreed=Terms())
    assert machine.wait(5).price is None
    monkeypatch.setattr(machine.books, "look", lambda: answer(FACTS))
    assert machine.wait(HOUR + 5, tick=10).price == PRICE
    machine.books.refused_looks = Failed("no answer")
    monkeypatch.undo()
    assert machine.wait(2 * HOUR, tick=10).price == PRICE


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "LEASE_TOLD", tmp_path / "told.json")
    monkeypatch.setattr(paths, "LEASE_MENU", tmp_path / "menu")
    monkeypatch.setattr(told, "ROOT", Owner(uid=os.getuid(), gid=os.getgid()))
    return paths.LEASE_TOLD


def test_it_is_told_without_a_lease_for_as_long_as_it_is_true(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(terms=Terms(), ending=None, price=PRICE)
    told.write(state, BEGAN, "boot", "7")
    assert told.read(place) is None
    assert told.paid(place) == {"hourly": 0.212, "since": BEGAN - 7200.0, "for": 7200}
    monkeypatch.setattr(told, "since_boot", lambda: since_boot() + 100)
    found = told.paid(place)
    assert found is not None and found["for"] == pytest.approx(7300, abs=1)
    monkeypatch.setattr(told, "since_boot", lambda: since_boot() + 1000)
    assert told.paid(place) is None


def test_where_vast_says_nothing_nothing_is_told(place: Path) -> None:
    assert told.paid(place) is None
    told.write(State(terms=Terms(), ending=None), BEGAN, "boot", "7")
    assert told.paid(place) is None
    told.write(State(terms=Terms(), ending=None, price=replace(PRICE, since=BEGAN + 9000.0)), BEGAN, "boot", "7")
    assert told.paid(place) is None, "a rental that has not begun"


def test_what_is_told_does_not_change_each_second() -> None:
    """Each change is written to a file, and so is kept on a disk."""
    state = State(terms=Terms(), ending=None, price=PRICE)
    assert told.document(state, BEGAN) == told.document(state, BEGAN + 60)
