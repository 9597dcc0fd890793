"""The calls that rent, change and end boxes: where they are repeated, where never, and what every trouble ends in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.fake_vast import KEY, Canned, Fault, offer
from tests.hostile import one_line
from tests.unit.foreign_text import every_kind
from tests.unit.renting import LABEL, Renter, rented
from vast.api import Api
from vast.calls import Ask, Calls
from vast.errors import (
    CreatedButRefused,
    KeyRefused,
    NoAnswer,
    NotThere,
    OfferGone,
    QuotaSpent,
    Refused,
    StillThere,
    VastError,
)

OCI_FAILED = "Error response from daemon: failed to create task: OCI runtime create failed"


@pytest.fixture
def renter() -> Iterator[Renter]:
    """Somebody who rents."""
    with rented() as one:
        yield one


def test_a_box_from_its_offer_to_its_end(renter: Renter) -> None:
    """Every call in its documented form; the books say what it has cost."""
    (first, _) = renter.calls.search({"num_gpus": {"eq": 1}})
    number = renter.calls.create(first["id"], renter.ask(onstart="visomaster-start", ports=(11111,)))
    created = renter.account.books.calls("PUT", "/asks/1/")[0].body
    assert created["label"] == LABEL and created["cancel_unavail"] is True
    assert created["env"] == {"-p 11111:11111": "1"} and created["onstart"] == "visomaster-start"
    assert renter.calls.labelled(LABEL) == [number]
    assert [renter.status(number, after) for after in (0, 2, 3)] == ["provisioning", "loading", "running"]
    renter.calls.attach_key(number, "ssh-ed25519 AAAA me\n")
    renter.calls.label(number, "another")
    assert renter.account.books.contracts[number].keys == ["ssh-ed25519 AAAA me"]
    assert renter.calls.logs(number) == f"a log of /logs/{number}\n"
    renter.calls.set_state(number, "stopped")
    assert renter.status(number, 3600) == "exited"
    renter.calls.set_state(number, "running")
    assert renter.status(number, 3600) == "running"
    renter.calls.end(number)
    renter.account.nobody_unknown()
    assert renter.account.books.dollars(renter.clock()) == pytest.approx(0.31, abs=0.02)


def test_each_kind_of_call_keeps_its_distance(renter: Renter) -> None:
    """The thresholds of the documentation; another kind is not held up by them."""
    number = renter.create()
    for _ in range(3):
        renter.calls.instance(number)
        renter.calls.instances()
    seen = renter.account.books.calls("GET", f"/instances/{number}/")
    assert [b.at - a.at for a, b in pairwise(seen)] == pytest.approx([2.0, 2.0])
    for index in (1, 2):
        with pytest.raises(OfferGone):
            renter.calls.create(99 + index, renter.ask())
    creations = renter.account.books.calls("PUT", "/asks/")
    assert [b.at - a.at >= 4.49 for a, b in pairwise(creations)] == [True, True]


@pytest.mark.parametrize("fault", [Fault.GONE_404, Fault.GONE_410, Fault.STALE_PRICE])
def test_an_offer_that_is_gone_or_dearer_is_no_error_of_ours(renter: Renter, fault: Fault) -> None:
    """Another one may do; nothing was created, nothing asked twice."""
    with pytest.raises(OfferGone, match=r"^Vast\.ai: offer 1 is gone or has changed: ") as caught:
        renter.create(fault)
    one_line(str(caught.value))
    assert len(renter.account.books.calls("PUT")) == 1
    renter.account.nobody_unknown()


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER_CREATE, Fault.LATE_AFTER_CREATE, Fault.GATEWAY_AFTER_CREATE])
def test_a_creation_whose_answer_is_lost_is_found_by_its_label(renter: Renter, fault: Fault) -> None:
    """And never sent again: that would be a second box."""
    number = renter.create(fault)
    assert len(renter.account.books.calls("PUT")) == 1
    assert "looking for a box with the label of this rental" in renter.said[-1]
    renter.calls.end(number)
    renter.account.nobody_unknown()


def test_vast_s_own_words_are_told(renter: Renter) -> None:
    """An account without money is no offer that is gone: the next one would be refused, too."""
    words = '{"success": false, "error": "insufficient_credit", "msg": "Your balance is $0.00.\\nAdd credit."}'
    renter.account.canned = [Canned(status=400, body=words)]
    with pytest.raises(Refused) as caught:
        renter.create()
    assert str(caught.value) == (
        "Vast.ai: expected 200 from /api/v0/asks/1/, got 400 'insufficient_credit: Your balance is $0.00. Add credit.'"
        "; by hand: vastai create instance 1"
    )


def test_a_creation_that_came_to_nothing_is_told(renter: Renter) -> None:
    """The look is bounded, and the line says with which command a person looks again."""
    with pytest.raises(NoAnswer, match=r"look again in a minute: vastai show instances$") as caught:
        renter.create(Fault.RESET_BEFORE_CREATE)
    one_line(str(caught.value))
    assert LABEL in str(caught.value)
    assert len(renter.account.books.calls("GET", "/api/v1/instances/")) == 5
    renter.account.nobody_unknown()


def test_a_look_that_fails_leaves_the_question_open(renter: Renter) -> None:
    """Whoever gets no list does not know that there is no box."""
    renter.account.canned = [Canned(reset=True), Canned(status=401, body="{}")]
    with pytest.raises(NoAnswer, match=r"a box may live with the label .*, but the API key is refused"):
        renter.create()


def test_two_boxes_of_one_label_are_both_told(renter: Renter) -> None:
    numbers = (renter.create(), renter.calls.create(2, renter.ask()))
    renter.account.canned = [Canned(reset=True)]
    with pytest.raises(CreatedButRefused) as caught:
        renter.calls.create(3, renter.ask())
    assert caught.value.ids == numbers


@pytest.mark.parametrize(
    "body", ['{"success": true}', '{"success": true, "new_contract": null}', "[]", "{", '{"new_contract": true}']
)
def test_a_creation_without_a_number_is_looked_for(renter: Renter, body: str) -> None:
    """A good status alone names no box."""
    renter.account.canned = [Canned(body=body)]
    with pytest.raises(NoAnswer):
        renter.create()


def test_other_boxes_labels_are_not_taken_for_ours(renter: Renter) -> None:
    """Two who rent at once: by its mark each finds its own."""
    other = renter.calls.create(2, renter.ask(label=LABEL.replace("0a1b2c3d", "ffffffff")))
    number = renter.create(Fault.RESET_AFTER_CREATE)
    assert number != other
    renter.account.nobody_unknown([number, other])


def test_an_error_that_created_a_box_has_its_number(renter: Renter) -> None:
    """It is billed for its storage from now on."""
    with pytest.raises(CreatedButRefused, match="exists and is billed") as caught:
        renter.create(Fault.ERROR_WITH_CONTRACT)
    renter.account.nobody_unknown([caught.value.id])
    assert renter.status(caught.value.id) == "stopped"
    renter.calls.end(caught.value.id)
    renter.account.nobody_unknown()


@pytest.mark.parametrize(("fault", "pause"), [(Fault.TOO_MANY, 4.5), (Fault.TOO_MANY_WAIT, 7)])
def test_a_creation_that_came_too_soon_is_sent_again(renter: Renter, fault: Fault, pause: float) -> None:
    """429 is said before anything is done; `Retry-After` is kept, where it is there."""
    number = renter.create(fault)
    assert renter.clock.slept[0] >= pause
    renter.account.nobody_unknown([number])


def test_the_day_s_searches_are_used_up(renter: Renter) -> None:
    """Nothing helps before midnight UTC: one request, not six."""
    renter.account.order(Fault.QUOTA, None)
    with pytest.raises(QuotaSpent, match=r"^Vast\.ai: the day's searches are used up, until midnight UTC: "):
        renter.calls.search({})
    assert len(renter.account.requests) == 1 and not renter.clock.slept


def test_a_wait_of_hours_is_not_waited(renter: Renter) -> None:
    renter.account.canned = [Canned(status=429, body="slow down", headers={"Retry-After": "9000"})]
    with pytest.raises(VastError, match=r"it asks to wait 9000 s; by hand: vastai search offers$"):
        renter.calls.search({})
    assert not renter.clock.slept


@pytest.mark.parametrize("fault", [Fault.TOO_MANY, Fault.SERVER_ERROR, Fault.RESET])
def test_what_may_be_asked_again_is(renter: Renter, fault: Fault) -> None:
    """Search, list, look, change and destroy: six tries, then one line with the command."""
    number = renter.create()
    renter.account.faults.order(fault, 3)
    renter.calls.label(number, "another")
    renter.account.faults.order(fault, None)
    with pytest.raises(VastError, match=rf"given up after 6 tries: .*; by hand: vastai show instance {number}$"):
        renter.calls.instance(number)
    renter.account.faults.heal()
    renter.account.faults.order(fault, 3)
    renter.calls.end(number)
    renter.account.nobody_unknown()


# The end of a box


def test_destroying_goes_on_through_errors(renter: Renter) -> None:
    number = renter.create()
    renter.account.order(Fault.DESTROY_5XX, 3)
    renter.calls.end(number)
    renter.account.nobody_unknown()
    assert len(renter.account.books.calls("DELETE")) == 4


def test_a_box_that_is_gone_needs_no_destroying(renter: Renter) -> None:
    """Also when the first answer was lost and the second try finds nothing."""
    number = renter.create()
    renter.calls.destroy(number)
    renter.calls.destroy(number)
    renter.calls.end(number)
    assert renter.calls.instance(number) is None


def test_the_end_is_waited_for(renter: Renter) -> None:
    """A box that is listed is billed."""
    number = renter.create(Fault.DESTROY_SLOW)
    renter.calls.end(number)
    assert renter.account.books.contracts[number].ended is not None
    renter.account.nobody_unknown()


@pytest.mark.parametrize(
    ("canned", "why"),
    [
        (Canned(status=403, body='{"error": "not_permitted"}'), "the API key is refused (403)"),
        (Canned(status=404, body='{"error": "auth_error", "msg": "Invalid user key"}'), "the API key is refused (404)"),
        (Canned(status=404, body="<html>no such page"), "expected 200 from /api/v0/instances/7000/, got 404"),
        (Canned(status=410, body='{"error": "gone"}'), "expected 200 from /api/v0/instances/7000/, got 410"),
        (Canned(body='{"success": false, "msg": "no"}'), "the request failed, it says"),
    ],
)
def test_a_box_that_lives_on_is_told_aloud(renter: Renter, canned: Canned, why: str) -> None:
    """Whatever refuses the destroying. Only the list's answer is taken for its end: not the 404 of a wrong key or of a
    gateway, nor the 410 of an address that is served no more."""
    number = renter.create()
    renter.account.canned = [canned]
    with pytest.raises(StillThere) as caught:
        renter.calls.end(number)
    message = str(caught.value)
    one_line(message)
    assert message.startswith(f"Vast.ai: instance {number} lives on and is billed: {why}")
    assert message.endswith(f"; end it by hand: vastai destroy instance {number}")
    renter.account.nobody_unknown([number])


def test_a_refusal_that_comes_after_the_end_is_none(renter: Renter) -> None:
    number = renter.create()
    renter.calls.destroy(number)
    renter.account.order(Fault.DESTROY_REFUSED, None)
    renter.calls.end(number)


def test_a_list_that_is_cut_is_no_proof_of_an_end(renter: Renter) -> None:
    number = renter.create()
    renter.account.order(Fault.CUT_PAGE, None)
    with pytest.raises(StillThere, match="expected a JSON object from /api/v1/instances/"):
        renter.calls.end(number)


# What is not there, not allowed, not true


def test_what_is_not_there_is_said(renter: Renter) -> None:
    for call in (
        lambda: renter.calls.label(5, "x"),
        lambda: renter.calls.attach_key(5, "k"),
        lambda: renter.calls.logs(5),
    ):
        with pytest.raises(NotThere, match=r"^Vast\.ai: there is no instance 5 \(any more\)$"):
            call()
    assert renter.calls.instance(5) is None


@pytest.mark.parametrize("body", ['{"instances": null}', '{"instances": []}', '{"instances": [{"id": 4}]}'])
def test_nothing_has_several_forms(renter: Renter, body: str) -> None:
    renter.account.canned = [Canned(body=body)]
    assert renter.calls.instance(5) is None


@pytest.mark.parametrize("body", ["{}", '{"instances": 3}', '{"instances": {"id": 4}}', '{"instances": "x"}'])
def test_what_is_no_instance_is_refused(renter: Renter, body: str) -> None:
    """Nothing but a clear "there is none" means that there is none."""
    renter.account.canned = [Canned(body=body)]
    with pytest.raises(VastError, match="expected "):
        renter.calls.instance(5)


@pytest.mark.parametrize("body", ['{"offers": null}', '{"success": true}', '{"offers": {}}'])
def test_no_list_of_offers_is_no_empty_market(renter: Renter, body: str) -> None:
    renter.account.canned = [Canned(body=body)]
    with pytest.raises(VastError, match="expected a list 'offers'"):
        renter.calls.search({})


def test_a_list_of_offers_that_is_cut_is_told(renter: Renter) -> None:
    renter.account.order(Fault.CUT_OFFERS)
    assert len(renter.calls.search({})) == 2
    assert renter.said[-1] == "Vast.ai: the list of offers is cut short, there may be cheaper ones"


def test_a_wrong_key(renter: Renter) -> None:
    """In one line, without it."""
    calls = Calls(Api(renter.account.url, "another-key", say=renter.said.append, sleep=renter.clock.sleep))
    with pytest.raises(KeyRefused) as caught:
        calls.create(1, renter.ask())
    assert str(caught.value) == "Vast.ai: the API key is refused (401)"
    assert len(renter.account.requests) == 1


def test_the_account_s_key_never_goes_to_a_box(renter: Renter) -> None:
    """Not even by a slip: SkyPilot wrote it onto rented hosts."""
    with pytest.raises(VastError, match="the account's API key must not be sent to a box"):
        renter.calls.create(1, renter.ask(env={"VAST_API_KEY": KEY}))
    assert renter.account.requests == []


def test_who_repeats_the_key_is_not_repeated(renter: Renter) -> None:
    renter.account.canned = [Canned(status=429, body=f"you are {KEY}"), Canned(status=400, body=f"you are {KEY}")]
    with pytest.raises(Refused, match="you are …") as caught:
        renter.calls.search({})
    assert KEY not in str(caught.value) + "".join(renter.said)
    assert "you are …" in renter.said[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "x" * 257}, "label: Vast takes at most 256 characters, got 257"),
        ({"onstart": "x" * 4097}, "onstart: Vast takes at most 4096 characters, got 4097"),
        ({"label": ""}, "label: a box without one is not found again"),
    ],
)
def test_what_vast_would_cut_off_is_refused_before(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Ask(**{"image": "x", "disk": 8, "label": "y", **changes})  # type: ignore[arg-type]


def test_clocks_that_differ_are_told_once_and_vast_s_counts(renter: Renter) -> None:
    """A lease ends by Vast's clock, whatever this machine's says."""
    renter.account.order(Fault.CLOCK_OFF, None)
    renter.calls.instances()
    renter.calls.instances()
    assert renter.said[1:] == ["Vast.ai: this machine's clock is 60 minutes behind: leases go by Vast's"]
    assert renter.calls.api.now() == pytest.approx(renter.clock() + 3600, abs=1)


def test_a_log_s_address_gets_no_key_and_may_be_late(renter: Renter) -> None:
    number = renter.create()
    renter.account.canned = [Canned(body=f'{{"result_url": "{renter.account.url}/logs/x"}}'), Canned(status=403)]
    assert renter.calls.logs(number) == "a log of /logs/x\n"
    renter.account.canned = [Canned(body='{"result_url": "http://other.example/x"}')]
    with pytest.raises(VastError, match="expected 'result_url'"):
        renter.calls.logs(number)


@every_kind
def test_what_vast_says_to_a_creation(text: str) -> None:
    """A terminal acts on none of it."""
    with rented() as renter:
        for status in (400, 404, 502):
            renter.account.canned = [Canned(status=status, body=text)]
            with pytest.raises(VastError) as caught:
                renter.create()
            one_line(str(caught.value))
        for line in renter.said:
            one_line(line)


def test_an_offer_sold_twice_creates_a_box_that_never_runs(renter: Renter) -> None:
    """Both are accepted; time alone tells, and the box is destroyed like any other."""
    renter.account.offers.append(offer(3))
    number = renter.create(Fault.SOLD_TWICE)
    assert renter.status(number, 3600) == "loading"
    assert renter.create() != number
    renter.calls.end(number)
    assert len(renter.account.books.alive()) == 1


@pytest.mark.parametrize(
    ("fault", "after", "status", "hopeless"),
    [
        (Fault.NEVER_RUNS, 600, "loading", None),
        (
            Fault.OCI_FAILED,
            6,
            "created",
            "Error response from daemon: failed to create task: OCI runtime create failed",
        ),
        (Fault.EXITS, 60, "exited", "exited"),
        (Fault.OUTBID, 60, "stopped", "stopped"),
        (Fault.NO_SSH, 6, "running", None),
    ],
)
def test_what_a_box_says_of_its_chances(
    renter: Renter, fault: Fault, after: float, status: str, hopeless: str | None
) -> None:
    number = renter.create(fault)
    box = renter.box(number, after)
    assert box is not None
    assert (box.status, box.hopeless) == (status, hopeless)


def test_a_host_that_asks_for_more_is_shown(renter: Renter) -> None:
    """In dollars an hour; nothing agrees to it. What makes no sense is left out."""
    asks = {"contract_id": 7000, "new_gpu_costpersec": 0.0001, "new_disk_ram_costpersec": 0.00001}
    nonsense = [None, {}, {**asks, "contract_id": "x"}, {**asks, "contract_id": 7001, "new_gpu_costpersec": "NaN"}]
    renter.account.price_increases = [asks, *nonsense]  # type: ignore[list-item]
    assert renter.calls.price_increases() == {7000: pytest.approx(0.396)}
    assert {seen.method for seen in renter.account.books.seen} == {"GET"}
