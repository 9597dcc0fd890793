"""One request to Vast.ai: an answer of a bearable size in a bearable time, and nothing else."""

from __future__ import annotations

import pytest
import requests
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from tests.fake_vast import KEY, Canned, FakeClock, Fault
from tests.hostile import one_line
from tests.unit.renting import rented
from vast import api as vast_api
from vast.api import Api
from vast.calls import LIST
from vast.errors import NoAnswer, VastError

CREATION_LIKE = vast_api.Call(method="PUT", path="/api/v0/asks/{id}/", spacing=4.5, by_hand="vastai x", again=False)


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 50_000, "1" * 10_000, '"\\ud800"', "", "\0"])
def test_what_is_no_object_is_refused(body: str) -> None:
    """Whatever a parser does with it."""
    with rented() as renter, pytest.raises(VastError, match="expected a JSON object from /api/v1/instances/") as caught:
        renter.account.canned = [Canned(body=body)]
        renter.calls.instances()
    one_line(str(caught.value))


def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither into memory nor for hours; after a creation, the box is looked for by its label."""
    monkeypatch.setattr(vast_api, "LARGEST_ANSWER", 5000)
    with rented() as renter:
        renter.account.canned = [Canned(body="x" * 20_000)]
        with pytest.raises(NoAnswer, match="an answer of more than 5000 bytes; no box has the label"):
            renter.create()
        renter.account.canned = [Canned(body="x" * 20_000)] * 9
        with pytest.raises(VastError, match="given up after 6 tries: an answer of more than 5000 bytes"):
            renter.calls.instances()


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vast_api, "LONGEST_ANSWER", -1.0)
    with rented() as renter, pytest.raises(VastError, match="given up after 6 tries: an answer that takes more than"):
        renter.calls.instances()


def test_nobody_there_creates_nothing() -> None:
    """A connection that was refused sent nothing: it may be tried again, and then it is no lost answer."""
    clock = FakeClock()
    said: list[str] = []
    api = Api("http://127.0.0.1:9", KEY, say=said.append, sleep=clock.sleep, clock=clock)
    with pytest.raises(VastError, match=r"given up after 6 tries: .*Connection refused; by hand: vastai x$") as caught:
        api.send(CREATION_LIKE, 1, body={})
    assert not isinstance(caught.value, NoAnswer)
    assert len(said) == 5


def test_a_broken_line_is_a_lost_answer_where_a_repeat_would_do_harm() -> None:
    with rented() as renter:
        renter.account.order(Fault.RESET, 2)
        with pytest.raises(NoAnswer, match=r"^Vast\.ai: no answer to PUT /api/v0/asks/1/: "):
            renter.calls.api.send(CREATION_LIKE, 1, body={})
        assert len(renter.account.requests) == 1
        renter.calls.api.send(LIST)


def test_a_clock_that_jumps_keeps_nobody_waiting() -> None:
    """Backwards by a day, the next call waits as long as its kind asks for, no longer."""
    with rented() as renter:
        renter.calls.instances()
        renter.clock.now -= 24 * 3600
        renter.calls.instances()
        assert renter.clock.slept == [1.0]


def test_pauses_grow_and_end() -> None:
    """About a minute in all, with jitter, each told."""
    with rented() as renter:
        renter.account.order(Fault.SERVER_ERROR, None)
        with pytest.raises(VastError):
            renter.calls.instances()
        assert renter.clock.slept == pytest.approx([1, 2, 4, 8, 16], rel=0.25)
        assert [line.partition(";")[0] for line in renter.said[1:]] == ["Vast.ai: 502 '<html>bad gateway'"] * 5


@pytest.mark.parametrize("kind", [NewConnectionError, NameResolutionError])
def test_a_name_that_is_not_found_sends_nothing(
    kind: type[NewConnectionError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the forms that requests wraps it."""
    pool = HTTPConnectionPool("vast.invalid")
    reason = NewConnectionError(pool, "x") if kind is NewConnectionError else NameResolutionError("h", pool, OSError())  # type: ignore[arg-type]

    def fail(*arguments: object, **options: object) -> None:
        raise requests.ConnectionError(MaxRetryError(pool, "/", reason))

    monkeypatch.setattr(requests, "request", fail)
    with rented() as renter, pytest.raises(VastError, match="given up after 6 tries") as caught:
        renter.calls.create(1, renter.ask())
    assert not isinstance(caught.value, NoAnswer)


@pytest.mark.parametrize(("error", "lost"), [(OSError("broken"), True), (OSError("no certificate bundle"), False)])
def test_a_system_s_error_may_come_after_the_request(
    error: OSError, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for missing certificates, which are looked for before."""

    def fail(*arguments: object, **options: object) -> None:
        raise error

    with rented() as renter, pytest.raises(VastError) as caught:
        monkeypatch.setattr(requests, "request", fail)
        renter.calls.api.send(CREATION_LIKE, 1, body={})
    assert isinstance(caught.value, NoAnswer) is lost
