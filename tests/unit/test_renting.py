"""A rental's order of things, on an account that misbehaves: no box is left that nobody knows of."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.drills.live import new_key
from tests.fake_vast import FakeClock, FakeVast, Fault, SshdMachine, offer
from tests.unit.rental import AGREED_DISK, Bench, Interrupted
from vast.books import Attempt
from vast.boxes import Box
from vast.calls import Ask
from vast.errors import VastError
from vast.lease import new_lease
from vast.machine import find_key, reached
from vast.renting import Limits, Rental, RentError
from vast.waiting import SSH_WITHIN, Patience, until_ssh


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = FakeClock()
    account = FakeVast(clock=clock, delay=20.0)
    account.offers = [offer(100 + n, machine_id=n, dph_base=0.3 + n / 100) for n in range(1, 6)]
    with account.serving():
        yield Bench(account, clock, tmp_path / "rent")


def test_one_box_is_handed_over(bench: Bench) -> None:
    """Labelled when it was created, written down, and the only one."""
    [attempt] = bench.run()
    assert bench.account.books.alive() == [attempt.number]
    assert bench.account.books.contracts[attempt.number or 0].asked["label"] == attempt.label
    assert [(one.number, one.handed) for one in bench.books.all()] == [(attempt.number, True)]


PER_MACHINE = [
    Fault.GONE_404,
    Fault.GONE_410,
    Fault.STALE_PRICE,
    Fault.SOLD_TWICE,
    Fault.ERROR_WITH_CONTRACT,
    Fault.PRICE_UP,
    Fault.NEVER_RUNS,
    Fault.OCI_FAILED,
]


@pytest.mark.parametrize("fault", PER_MACHINE, ids=lambda fault: fault.name)
def test_what_a_machine_does_ends_in_the_next_one(bench: Bench, fault: Fault) -> None:
    """Whatever became of the first box, it is gone, and its machine is not asked again."""
    bench.account.order(fault)
    [attempt] = bench.run()
    bench.account.nobody_unknown([attempt.number or 0])
    assert bench.account.books.alive() == [attempt.number]
    assert attempt.machine == 2
    assert len(list(bench.books.all())) == 1


@pytest.mark.parametrize(("fault", "state"), [(Fault.EXITS, "exited"), (Fault.OUTBID, "stopped")])
def test_a_machine_that_goes_away_while_it_is_prepared(bench: Bench, fault: Fault, state: str) -> None:
    """At once, not when a step's own time is over: its box is gone, and the next machine is asked."""
    bench.steps.lasts = 600
    bench.account.order(fault)
    began = bench.clock()
    [attempt] = bench.run()
    assert f"it does not run any more: {state}" in bench.said
    assert bench.clock() - began < 600 + 120
    bench.account.nobody_unknown([attempt.number or 0])
    assert bench.account.books.alive() == [attempt.number]
    assert attempt.machine == 2


def test_a_machine_whose_ssh_never_answers(bench: Bench, tmp_path: Path) -> None:
    """Found out by ssh itself: its box is gone, and the next machine, which answers, is kept."""
    key = find_key(str(new_key(tmp_path)), {})
    numbers = itertools.count()
    bench.account.machine = lambda: SshdMachine(tmp_path / f"machine-{next(numbers)}")

    def prepare(box: Box, attempt: Attempt) -> Generator[str, None, None]:
        bench.calls.attach_key(box.id, key.public)
        machine = reached(box, attempt.folder, key.path)
        yield from until_ssh(machine, lambda: None, Patience(what="SSH", seconds=SSH_WITHIN, clock=bench.clock))

    def sleep(seconds: float) -> None:
        time.sleep(0.04)  # for what is not of the fake: sshd and ssh
        pass_by(seconds)

    pass_by, bench.clock.sleep = bench.clock.sleep, sleep  # type: ignore[method-assign]
    bench.steps.prepare = prepare  # type: ignore[method-assign]
    bench.account.order(Fault.NO_SSH)
    try:
        [attempt] = bench.run()
        assert "SSH took more than 5 min: ssh: connect to host 127.0.0.1" in bench.said
        bench.account.nobody_unknown([attempt.number or 0])
        assert attempt.machine == 2
    finally:
        for contract in bench.account.books.contracts.values():
            contract.machine.destroy()


def test_a_vast_that_does_not_answer_while_a_machine_is_prepared(bench: Bench) -> None:
    """The steps go on without it."""
    bench.steps.lasts = 60
    asked = bench.calls.instance
    looks: list[int] = []

    def instance(number: int) -> dict[str, object] | None:
        if bench.account.books.contracts[number].raw["actual_status"] != "running":
            return asked(number)
        looks.append(number)
        raise VastError("Vast.ai: no answer")

    bench.calls.instance = instance  # type: ignore[method-assign]
    [attempt] = bench.run()
    assert looks
    assert bench.account.books.alive() == [attempt.number]


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER_CREATE, Fault.LATE_AFTER_CREATE, Fault.GATEWAY_AFTER_CREATE])
def test_a_creation_without_an_answer_is_found_by_its_label(bench: Bench, fault: Fault) -> None:
    """And taken: it is what was agreed."""
    bench.account.order(fault)
    [attempt] = bench.run()
    assert bench.account.books.alive() == [attempt.number]
    assert len(bench.account.books.contracts) == 1


@pytest.mark.parametrize("fault", [Fault.TOO_MANY, Fault.TOO_MANY_WAIT])
def test_a_vast_that_is_busy_for_a_while(bench: Bench, fault: Fault) -> None:
    """The same box in the end, and no second one."""
    bench.account.order(fault, times=3)
    [attempt] = bench.run()
    bench.account.nobody_unknown([attempt.number or 0])
    assert bench.account.books.alive() == [attempt.number]


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.RESET])
def test_a_creation_that_may_have_been_is_not_sent_again(bench: Bench, fault: Fault) -> None:
    """It was not: nothing lives, and where to look is said."""
    bench.account.order(fault, times=3)
    with pytest.raises(RentError, match="look again in a minute"):
        bench.run()
    assert bench.account.books.alive() == []


def test_a_clock_that_is_an_hour_off(bench: Bench) -> None:
    """The lease ends four hours from now by Vast's clock."""
    bench.account.order(Fault.CLOCK_OFF, times=None)
    bench.calls.instances()
    bench.steps.lease = lambda: new_lease("alt", 4, "anna", bench.calls.api.now())  # type: ignore[method-assign]
    [attempt] = bench.run()
    [box] = bench.owned.boxes()
    assert box.id == attempt.number and box.lease
    left = box.lease.left(bench.calls.api.now())
    assert left and 3.9 < left.total_seconds() / 3600 <= 4.1
    assert "over since" not in bench.said


def test_two_runs_at_once_never_take_each_others_boxes(bench: Bench, tmp_path: Path) -> None:
    """The first one's creation loses its answer while the second rents: each has the box of its own label."""
    other = Bench(bench.account, bench.clock, tmp_path / "other")
    theirs: list[Attempt] = []
    create = bench.calls.create

    def meanwhile(number: int, ask: Ask) -> int:
        if not theirs:
            theirs.extend(other.run(bench.offers()[1:]))
            bench.account.order(Fault.RESET_AFTER_CREATE)
        return create(number, ask)

    bench.calls.create = meanwhile  # type: ignore[method-assign]
    [ours] = bench.run()
    assert ours.number != theirs[0].number
    assert bench.account.books.alive() == sorted([ours.number or 0, theirs[0].number or 0])
    labels = {number: contract.asked["label"] for number, contract in bench.account.books.contracts.items()}
    assert labels == {ours.number: ours.label, theirs[0].number: theirs[0].label}


def test_three_machines_are_tried(bench: Bench) -> None:
    """Each another one; then it is over, and nothing lives."""
    bench.steps.fails = ["a host test fails: onnxruntime"] * 5
    with pytest.raises(RentError, match="none of 3 machines was good"):
        bench.run()
    assert bench.account.books.alive() == []
    assert {contract.raw["machine_id"] for contract in bench.account.books.contracts.values()} == {1, 2, 3}
    assert list(bench.books.all()) == []


def test_without_another_offer_it_is_over(bench: Bench) -> None:
    bench.steps.fails = ["SSH took more than 5 min"]
    with pytest.raises(RentError, match="no offer is left that fits"):
        bench.run(bench.offers()[:1])
    assert bench.account.books.alive() == []


def test_a_destroy_that_fails_for_a_while_is_repeated(bench: Bench) -> None:
    bench.steps.fails = ["no"]
    bench.account.order(Fault.DESTROY_5XX, times=3)
    [attempt] = bench.run()
    assert bench.account.books.alive() == [attempt.number]


def test_a_destroy_that_is_refused_is_told(bench: Bench) -> None:
    """With the box, what it costs and the command; the next machine is not rented on top of it."""
    bench.steps.fails = ["no"]
    bench.account.order(Fault.DESTROY_REFUSED, times=None)
    with pytest.raises(RentError, match=r"lives on and is billed"):
        bench.run()
    [number] = bench.account.books.alive()
    assert f"vast-{number} LIVES ON and costs $0.3" in bench.said
    assert f"make end BOX={number} KEEP=no" in bench.said
    assert [one.number for one in bench.books.all()] == [number]


def test_a_dead_line_to_vast_names_the_box(bench: Bench) -> None:
    """Nothing can be ended then."""

    def cut() -> None:
        bench.account.order(Fault.RESET, times=None)
        bench.calls.instance(1)

    bench.steps.during = cut
    with pytest.raises(RentError):
        bench.run()
    [number] = bench.account.books.alive()
    assert f"vast-{number} LIVES ON" in bench.said


@pytest.mark.parametrize("turn", range(14))
def test_interrupted_at_any_turn(bench: Bench, turn: int) -> None:
    """At each of the first naps: nothing lives, nothing is left on disk; or it had been handed over."""
    naps = 0

    def sleep(seconds: float) -> None:
        nonlocal naps
        naps += 1
        if naps == turn + 1:
            raise Interrupted
        bench.clock.sleep(seconds)

    rental = Rental(
        bench.calls,
        bench.books,
        bench.steps,
        bench.screen,
        Limits(count=1, tries=3, up=600, disk=AGREED_DISK),
        sleep=sleep,
        clock=bench.clock,
        wall=bench.clock,
    )
    try:
        rental.run(bench.offers())
    except Interrupted:
        assert bench.account.books.alive() == [one.number for one in bench.books.all() if one.handed]
    else:
        assert naps <= turn


def test_interrupted_in_the_middle_of_the_creation(bench: Bench) -> None:
    """The box exists, its number is not known: its label finds it."""
    create = bench.calls.create

    def interrupted(number: int, ask: Ask) -> int:
        create(number, ask)
        raise Interrupted

    bench.calls.create = interrupted  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        bench.run()
    assert len(bench.account.books.contracts) == 1
    assert bench.account.books.alive() == []


def test_who_interrupts_twice_is_told_what_lives(bench: Bench) -> None:
    bench.steps.during = _raise
    end = bench.calls.end

    def impatient(number: int) -> None:
        raise Interrupted

    bench.calls.end = impatient  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        bench.run()
    [number] = bench.account.books.alive()
    assert f"vast-{number} LIVES ON" in bench.said
    end(number)


def _raise() -> None:
    raise Interrupted


def test_several_at_once_each_on_its_machine(bench: Bench) -> None:
    """A failure is replaced."""
    bench.account.order(Fault.OCI_FAILED)
    attempts = bench.run(count=3)
    assert sorted(one.number or 0 for one in attempts) == bench.account.books.alive()
    assert len({one.machine for one in attempts}) == 3


def test_too_few_is_said_and_the_good_ones_stay(bench: Bench) -> None:
    bench.account.order(Fault.OCI_FAILED)
    with pytest.raises(RentError, match="1 of 2 rented: no offer is left"):
        bench.run(bench.offers()[:2], count=2)
    assert [one.number for one in bench.books.all() if one.handed] == bench.account.books.alive()


def test_what_a_killed_run_left_is_named_and_ended(bench: Bench) -> None:
    """By another command: its record is there, nobody holds its lock."""
    lease = bench.steps.lease()
    number = bench.calls.create(101, bench.steps.ask(lease))
    attempt = Attempt(
        mark=lease.mark or "", label=lease.label(), variant="alt", gpu="", machine=1, hourly=0.31, begun=bench.clock()
    )
    bench.books.begin(attempt)
    bench.owned.show()
    assert "killed" not in bench.said, "it lives"
    attempt.release()
    bench.owned.show()
    assert f"vast-{number} is of a run that was killed and costs $0.310/h: make end BOX={number}" in bench.said
    bench.owned.end(str(number), "", Path("/nowhere"))
    assert bench.account.books.alive() == []
    assert f"vast-{number} is gone, it cost about $" in bench.said
    assert list(bench.books.all()) == []


def test_only_boxes_of_this_project_are_ended(bench: Bench) -> None:
    number = bench.calls.create(101, Ask(image="x", disk=10, label="my training"))
    with pytest.raises(Exception, match=r"no box of this project; to end it: vastai destroy instance"):
        bench.owned.end(str(number), "", None)
    assert bench.account.books.alive() == [number]


@pytest.mark.parametrize("name", ["", "7; rm", "-1", "vast-", "9" * 30])
def test_a_box_that_is_no_number(bench: Bench, name: str) -> None:
    with pytest.raises(Exception, match="BOX: expected a box's number"):
        bench.owned.box(name)


def test_a_stopped_box_is_not_ended_without_its_work(bench: Bench) -> None:
    """It says how to start it, and how to do without."""
    [attempt] = bench.run()
    number = attempt.number or 0
    bench.calls.set_state(number, "stopped")
    with pytest.raises(Exception, match=f"vastai start instance {number}; make end BOX={number} KEEP=no"):
        bench.owned.end(f"vast-{number}", "", Path("/nowhere"))
    assert bench.account.books.alive() == [number]
    bench.owned.show()
    assert "(storage)" in bench.said


def test_past_its_lease_comes_first(bench: Bench) -> None:
    [late] = bench.run()
    bench.clock.sleep(5 * 3600)
    [fresh] = bench.run(bench.offers())
    assert [box.id for box in bench.owned.boxes()] == [late.number, fresh.number]
    bench.calls.api.now()
    bench.owned.show()
    assert "over since" in bench.said


def test_interrupted_after_the_hand_over_it_has_been_told(bench: Bench) -> None:
    """While the folder is brought there: the box has computed, and stays."""
    bench.steps.finish = lambda *_: iter(_raise, None)  # type: ignore[method-assign,assignment,arg-type,return-value]
    with pytest.raises(Interrupted):
        bench.run()
    [number] = bench.account.books.alive()
    assert f"vast-{number} has computed and is yours, $0.3" in bench.said
    assert f"make end BOX={number}" in bench.said
