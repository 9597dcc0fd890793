"""When a rented machine ends itself, and when it does not: every decision, without a machine and without waiting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from visomaster_host.lease.api import Failed
from visomaster_host.lease.asked import OnEnd
from visomaster_host.lease.keeper import LONGEST_WAIT
from visomaster_host.lease.terms import HOUR, Terms, TooLate

from tests.unit.lease_world import BEGAN, Machine, leased


@pytest.mark.parametrize("how", list(OnEnd))
def test_at_the_end_of_its_lease_it_is_ended_once(how: OnEnd) -> None:
    machine = Machine(agreed=leased(600, on_end=how))
    machine.wait(599)
    assert machine.books.calls == []
    state = machine.wait(3)
    assert machine.books.calls == [str(how)]
    assert state.asked and not state.trouble


def test_without_a_lease_nothing_ends() -> None:
    machine = Machine(agreed=Terms())
    assert machine.wait(48 * HOUR, tick=600).ending is None
    assert machine.books.calls == []


def test_without_use_it_is_stopped_never_destroyed() -> None:
    machine = Machine(agreed=leased(10 * HOUR, on_end=OnEnd.DESTROY, idle=60))
    machine.wait(HOUR - 5)
    assert machine.books.calls == []
    machine.wait(10)
    assert machine.books.calls == ["stop"]


def test_use_puts_it_off() -> None:
    machine = Machine(agreed=Terms(idle=60), work="the GPU works (80 %)")
    machine.wait(3 * HOUR, tick=10)
    machine.work = ""
    machine.wait(HOUR - 60, tick=10)
    assert machine.books.calls == []
    machine.wait(120)
    assert machine.books.calls == ["stop"]


@pytest.mark.parametrize("off", [3600, -3600, 86400])
def test_a_clock_that_is_off_or_jumps_changes_nothing(off: int) -> None:
    """Vast's time counts, and the kernel's count since."""
    machine = Machine(agreed=leased(2 * HOUR), off=off)
    machine.wait(HOUR, tick=10)
    machine.off = -off
    machine.wait(HOUR - 20, tick=10)
    assert machine.books.calls == []
    machine.wait(30)
    assert machine.books.calls == ["stop"]
    assert "clock is" in " ".join(machine.said)


def test_a_clock_that_is_ahead_while_vast_does_not_answer_ends_nothing_early() -> None:
    """It is asked what time it is before anything is ended."""
    machine = Machine(agreed=leased(2 * HOUR), off=3 * HOUR)
    machine.books.refused_looks = Failed("no answer from Vast: timed out")
    machine.books.tells_time = False
    machine.books.faults = [Failed("no answer from Vast: timed out")] * 3
    machine.wait(30)
    machine.books.refused_looks, machine.books.tells_time = None, True
    machine.books.calls.clear()
    machine.books.faults.clear()
    machine.wait(HOUR, tick=10)
    assert machine.books.calls == []


def test_where_the_machine_is_told_nothing_of_itself_the_time_is_taken_from_the_refusal() -> None:
    machine = Machine(agreed=leased(HOUR), off=7200)
    machine.books.refused_looks = Failed("Vast answers HTTP 403: no", status=403)
    assert machine.wait(HOUR - 60, tick=10).trouble == ""
    assert machine.books.calls == []
    machine.wait(90)
    assert machine.books.calls == ["stop"]


@pytest.mark.parametrize(("status", "heard"), [(401, True), (404, True), (403, False), (500, False)])
def test_a_key_that_is_not_taken_is_told_long_before_the_end(status: int, heard: bool) -> None:
    machine = Machine(agreed=leased(10 * HOUR))
    machine.books.refused_looks = Failed("Vast does not take this box's own key", status=status)
    state = machine.wait(5)
    assert ("may not end by itself" in state.trouble) is heard


@pytest.mark.parametrize(
    "failed",
    [
        Failed("Vast answers HTTP 500: no reason given", status=500),
        Failed("Vast does not take this box's own key (HTTP 401: no)", status=401),
        Failed("Vast answers HTTP 429: slow down", status=429, wait=120),
        Failed("no answer from Vast: connection refused"),
    ],
)
def test_a_failure_is_told_and_tried_again_until_it_is_done(failed: Failed) -> None:
    machine = Machine(agreed=leased(60))
    machine.books.faults = [failed] * 4
    state = machine.wait(65)
    assert str(failed) in state.trouble and "tried again" in state.trouble
    assert any(str(failed) in line and "trying again in" in line for line in machine.said)
    state = machine.wait(4 * LONGEST_WAIT)
    assert machine.books.calls[:5] == ["stop"] * 5 and not machine.books.faults
    assert state.trouble == "" and state.asked
    if failed.wait:
        assert len(machine.books.calls) <= 8


def test_a_wait_that_is_asked_for_is_kept() -> None:
    machine = Machine(agreed=leased(60))
    machine.books.faults = [Failed("Vast answers HTTP 429: slow down", status=429, wait=120)]
    machine.wait(60 + 118)
    assert machine.books.calls == ["stop"]
    machine.wait(5)
    assert machine.books.calls == ["stop", "stop"]


def test_one_that_lives_on_though_vast_agreed_is_asked_for_again() -> None:
    machine = Machine(agreed=leased(60))
    machine.wait(60 + 2 * LONGEST_WAIT + 5)
    assert machine.books.calls == ["stop"] * 3


def test_a_restart_of_the_service_forgets_nothing_of_the_lease() -> None:
    machine = Machine(agreed=leased(600))
    machine.wait(500)
    machine.start()
    machine.wait(110)
    assert machine.books.calls == ["stop"]


def test_kept_for_another_hour() -> None:
    machine = Machine(agreed=leased(600))
    machine.wait(300)
    assert "kept for another hour" in machine.keeper.keep(desktop=False)
    machine.wait(HOUR + 290, tick=10)
    assert machine.books.calls == []
    machine.wait(30)
    assert machine.books.calls == ["stop"]
    assert "until=2026" in machine.books.label_text and "until=2026-01-01" not in machine.books.label_text
    assert machine.books.label_text.endswith(" by=me")


def test_the_button_puts_off_the_end_for_want_of_use_too() -> None:
    machine = Machine(agreed=Terms(idle=10))
    machine.wait(9 * 60)
    machine.keeper.keep(desktop=True)
    machine.wait(HOUR - 60, tick=10)
    assert machine.books.calls == []
    machine.wait(90)
    assert machine.books.calls == ["stop"]


def test_kept_while_vast_does_not_answer_it_lives() -> None:
    machine = Machine(agreed=leased(60))
    machine.books.faults = [Failed("no answer from Vast")] * 3
    machine.wait(70)
    machine.keeper.keep(desktop=False)
    state = machine.wait(HOUR - 60, tick=10)
    assert machine.books.calls == ["stop", "stop"] and state.trouble == ""


def test_after_vast_has_agreed_it_is_too_late() -> None:
    machine = Machine(agreed=leased(60))
    machine.wait(65)
    with pytest.raises(TooLate, match="being ended"):
        machine.keeper.keep(desktop=False)


def test_a_longer_lease_written_by_root_is_taken_up_even_then() -> None:
    machine = Machine(agreed=leased(60))
    machine.wait(65)
    machine.agreed = leased(HOUR)
    assert not machine.wait(5).asked
    machine.wait(HOUR - 100, tick=10)
    assert machine.books.calls == ["stop"]


def test_a_machine_started_after_its_lease_has_a_while_to_be_kept() -> None:
    machine = Machine(agreed=leased(-3600), grace=1000 + 900)
    machine.wait(890)
    assert machine.books.calls == []
    machine.wait(20)
    assert machine.books.calls == ["stop"]


def test_a_damaged_file_leaves_what_the_start_said_and_is_told() -> None:
    machine = Machine(agreed=leased(60), damaged="lease.json cannot be read")
    assert machine.wait(5).trouble == "lease.json cannot be read"
    machine.wait(60)
    assert machine.books.calls == ["stop"]


def test_the_button_has_an_end() -> None:
    """24 hours from the portal; three of them at most from the desktop, where the program can press it."""
    terms, now = leased(0), float(BEGAN)
    for _ in range(3):
        terms = terms.another_hour(now, desktop=True)
    with pytest.raises(TooLate, match="from the desktop"):
        terms.another_hour(now, desktop=True)
    for _ in range(21):
        terms = terms.another_hour(now, desktop=False)
    with pytest.raises(TooLate, match="24 hours"):
        terms.another_hour(now, desktop=False)
    assert terms.until == BEGAN + 24 * HOUR
    assert replace(leased(0), kept=21 * HOUR).another_hour(now, desktop=True).kept_on_desktop == HOUR
