"""Whatever goes wrong, in whatever order: every box that lives is one whose number or label was told."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_vast import Fault
from tests.unit.renting import LABEL, Renter, rented
from vast.errors import CreatedButRefused, NoAnswer, StillThere, VastError

TROUBLES = st.lists(st.tuples(st.sampled_from(sorted(Fault, key=lambda one: one.name)), st.integers(1, 7)), max_size=5)


def rent(renter: Renter) -> list[int]:
    """The boxes that a creation left, as one who goes by the words of the errors finds them."""
    try:
        return [renter.create()]
    except CreatedButRefused as error:
        return list(error.ids)
    except NoAnswer:
        renter.clock.sleep(60)  # as the message says
        return find(renter)
    except VastError:
        return []


def find(renter: Renter) -> list[int]:
    """The boxes with the label, once somebody answers."""
    for _ in range(5):
        try:
            return renter.calls.labelled(LABEL)
        except VastError:
            renter.clock.sleep(60)
    renter.account.faults.heal()
    return renter.calls.labelled(LABEL)


@settings(max_examples=60)
@given(TROUBLES, TROUBLES)
def test_no_box_lives_that_nobody_knows_of(first: list[tuple[Fault, int]], later: list[tuple[Fault, int]]) -> None:
    """Not after the creation, and not after an end that was told as good."""
    with rented() as renter:
        for fault, times in first:
            renter.account.order(fault, times)
        known = rent(renter)
        renter.account.nobody_unknown(known)
        for fault, times in later:
            renter.account.order(fault, times)
        alive = set()
        for number in known:
            try:
                renter.calls.end(number)
            except StillThere as error:
                assert f"vastai destroy instance {number}" in str(error)
                alive.add(number)
        renter.clock.sleep(60)
        renter.account.nobody_unknown(alive)
