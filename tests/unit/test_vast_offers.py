"""Which offers fit, what a lease on each costs, and that what makes no sense is left out without stopping anybody."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from visomaster_host.choices import ModelsAt

from spec.application import known_applications, load_application
from tests.fake_vast import Fault, instance, offer
from tests.fake_vast.shapes import priced
from tests.hostile import harmless, one_line
from tests.unit.foreign_text import every_kind
from tests.unit.renting import rented
from vast import fit
from vast.boxes import read_box
from vast.errors import OfferGone, VastError
from vast.fit import Way
from vast.offers import Need, market, need, read_offer, require_price, table

NEED = need("cu124", Way.IMAGE, ModelsAt.BUILD, hours=4, max_price=0.40)


def raw(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An offer as a search for `NEED` answers it, changed."""
    return priced(offer(number), NEED.disk) | changes


def test_what_a_lease_costs() -> None:
    """GPU hours, storage of the disk for as long, and the bytes that come in; worked out by hand."""
    cost = NEED.cost(read_offer(raw()))
    assert cost.gpu == pytest.approx(4 * 0.30)
    assert cost.storage == pytest.approx(32 * 0.144 * 4 / 720)
    assert cost.traffic == pytest.approx(13 * 0.002)
    assert cost.total == pytest.approx(1.2 + 0.0256 + 0.026)
    assert read_offer(raw()).hourly(32) == pytest.approx(raw()["dph_total"])


def test_the_cheapest_lease_is_first_not_the_cheapest_hour() -> None:
    """A dear line or a dear disk makes a cheap GPU dear."""
    cheap, dear_line = raw(1, dph_base=0.30), raw(2, dph_base=0.25, dph_total=0.256, inet_down_cost=0.02)
    assert [one.id for one in market([dear_line, cheap], NEED).offers] == [1, 2]
    longer = replace(NEED, hours=24)
    assert [one.id for one in market([dear_line, cheap], longer).offers] == [2, 1]


def test_prices_without_a_base_are_taken_apart() -> None:
    plain = raw()
    del plain["dph_base"]
    assert read_offer(plain).gpu_hour == pytest.approx(0.30)


def test_numbers_may_be_written_as_text() -> None:
    found = read_offer(raw(dph_base="0.3", machine_id="77", inet_down="812.5", inet_down_cost=None))
    assert (found.gpu_hour, found.machine_id, found.inet_down, found.inet_down_cost) == (0.3, 77, 812.5, 0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, "an offer without a numeric 'id'"),
        ({"id": True}, "an offer without a numeric 'id'"),
        ({"dph_base": math.nan}, "offer 1: 'dph_base': expected a number, got nan"),
        ({"dph_base": -0.1}, "offer 1: 'dph_base': expected a number, got -0.1"),
        ({"dph_base": 0}, "offer 1: prices that make no sense: "),
        ({"dph_total": 0.01}, "offer 1: prices that make no sense: "),
        ({"dph_total": math.inf}, "offer 1: 'dph_total': expected a number, got inf"),
        ({"storage_cost": None}, "offer 1: 'storage_cost': expected a number, got None"),
        ({"storage_cost": "free"}, "offer 1: 'storage_cost': expected a number, got 'free'"),
        ({"inet_down_cost": -5}, "offer 1: 'inet_down_cost': expected a number, got -5"),
        ({"machine_id": None}, "offer 1: 'machine_id': expected a number, got None"),
        ({"gpu_ram": [24000]}, "offer 1: 'gpu_ram': expected a number, got [24000]"),
        ({"compute_cap": True}, "offer 1: 'compute_cap': expected a number, got True"),
        ({"disk_space": 10**400}, "offer 1: 'disk_space': expected a number, got 1000"),
        ({"num_gpus": "1" * 5000}, "offer 1: 'num_gpus': expected a number, got '1111"),
    ],
)
def test_an_offer_that_makes_no_sense_is_left_out(changes: dict[str, Any], message: str) -> None:
    """The others are not; the first reason is told, in a line."""
    with pytest.raises(VastError) as caught:
        read_offer(raw(**changes))
    assert str(caught.value).startswith(f"Vast.ai: {message}")
    found = market([raw(**changes), raw(2)], NEED)
    assert [one.id for one in found.offers] == [2]
    assert found.told() == f"Vast.ai: left out: {found.left_out[0]}" and message in found.left_out[0]
    one_line(found.told() or "")


@pytest.mark.parametrize("nonsense", [None, 5, "x", [], {}, {"id": "1"}])
def test_what_is_no_offer_is_left_out(nonsense: object) -> None:
    found = market([nonsense, nonsense, raw()], NEED)
    assert len(found.offers) == 1
    assert found.told() == "Vast.ai: left out: an offer without a numeric 'id' and 1 more"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dph_base": 0.41, "dph_total": 0.4164}, "$0.416/h is more than $0.400/h"),
        ({"storage_cost": 20.0, "dph_total": 1.2}, "$1.189/h is more than $0.400/h"),
        ({"num_gpus": 2}, "2 GPUs"),
        ({"disk_space": 20.0}, "disk_space 20 is less than 32"),
        ({"inet_down": 20.0}, "inet_down 20 is less than 100"),
        ({"inet_up": 1.0}, "inet_up 1 is less than 20"),
        ({"duration": 3600.0}, "it ends in 1.0 h"),
        ({"verification": "unverified"}, "verified is False, not eq True"),
        ({"reliability2": 0.5}, "reliability2 is 0.5, not gte 0.95"),
        ({"direct_port_count": 3}, "direct_port_count is 3.0, not gte 64"),
        ({"cpu_arch": "arm64"}, "cpu_arch is arm64, not eq amd64"),
        ({"cuda_max_good": 12.2}, "cuda_max_good is 12.2, not gte 12.4"),
        ({"compute_cap": 1200}, "compute_cap is 1200.0, not lt 1000"),
        ({"compute_cap": 700}, "compute_cap is 700.0, not gte 750"),
        ({"gpu_ram": 6144}, "gpu_ram is 6144.0, not gte 8000"),
        ({"rented": True}, "taken"),
    ],
)
def test_what_was_not_asked_for_is_left_out(changes: dict[str, Any], reason: str) -> None:
    """Vast drops conditions that it does not know: what comes is checked again, the price above all."""
    assert market([raw(**changes)], NEED).left_out == (f"offer 1: {reason}",)


def test_a_machine_is_offered_once_and_never_again() -> None:
    """The cheapest of its offers; one that was tried is not tried again under another number."""
    twice = [
        raw(1, machine_id=5, dph_base=0.31, dph_total=0.32),
        raw(2, machine_id=5),
        raw(3, dph_base=0.33, dph_total=0.34),
    ]
    assert [one.id for one in market(twice, NEED).offers] == [2, 3]
    assert [one.id for one in market(twice, NEED, tried={5}).offers] == [3]


def test_the_search_asks_for_what_the_application_needs() -> None:
    query = NEED.query()
    assert query["compute_cap"] == {"gte": 750, "lt": 1000} and query["cuda_max_good"] == {"gte": 12.4}
    assert query["disk_space"] == {"gte": 32} and query["allocated_storage"] == 32
    assert query["dph_total"] == {"lte": 0.40} and query["duration"] == {"gte": 4 * 3600}
    assert query["type"] == "ondemand"
    assert "dph_total" not in replace(NEED, max_price=None).query()


@pytest.mark.parametrize(
    ("accelerator", "least", "below"),
    [("cu124", 12.4, 1000), ("cu124-tensorrt", 12.4, 1000), ("cu118", 11.8, 1000), ("cu129", 12.9, 1300)],
)
def test_blackwell_needs_packages_that_know_it(accelerator: str, least: float, below: int) -> None:
    found = fit.filters(accelerator)
    assert found["cuda_max_good"] == {"gte": least} and found["compute_cap"] == {"gte": 750, "lt": below}


def test_an_accelerator_without_cuda_needs_none() -> None:
    assert not {"cuda_max_good", "compute_cap"} & set(fit.filters("cpu"))


@pytest.mark.parametrize("name", known_applications())
def test_every_accelerator_of_a_profile_that_has_cuda_says_which(name: str) -> None:
    for accelerator in load_application(name).accelerators:
        assert (fit.cuda(accelerator.name) is not None) is bool(accelerator.cuda_libraries)


def test_from_scratch_needs_a_larger_disk() -> None:
    for models in ModelsAt:
        assert need("cu124", Way.SCRATCH, models, hours=1).disk > need("cu124", Way.IMAGE, models, hours=1).disk


def test_the_account_answers_the_search() -> None:
    """Through the client, against what a fake of the API filters by itself."""
    fake = [
        offer(1),
        offer(2, dph_base=0.9),
        offer(3, compute_cap=1200),
        offer(4, dph_base="NaN"),
        offer(5, gpu_ram=4000),
    ]
    with rented(offers=fake) as renter:
        found = market(renter.calls.search(NEED.query()), NEED)
    assert [one.id for one in found.offers] == [1]
    assert found.left_out == ("offer 4: 'dph_base': expected a number, got 'NaN'",)


def test_the_table() -> None:
    """A line each: card, dollars an hour and for the lease, place, line."""
    offers = market([raw(1), raw(2, gpu_name="RTX 3060", gpu_ram=12288, dph_base=0.1, dph_total=0.1064)], NEED).offers
    assert table(offers, NEED) == [
        "   GPU                $/h  $ for 4 h  place       Mbit/s down",
        "1  RTX 3060, 12 GB  0.106       0.45  Norway, NO          800",
        "2  RTX 4090, 24 GB  0.306       1.25  Norway, NO          800",
    ]
    assert len(table([offers[0]] * 30, NEED)) == 11


@every_kind
def test_what_an_offer_is_called(text: str) -> None:
    """A host chooses the words; a terminal acts on none of them, and a row stays a row."""
    found = market([raw(1, gpu_name=text, geolocation=text, driver_version=text), raw(2, dph_base=text)], NEED)
    for line in [*table(found.offers, NEED), *found.left_out]:
        harmless(line)
        assert "\n" not in line and len(line) < 200


# The price, once more, of what was created


def box(**changes: Any) -> Any:
    """An instance that costs $0.41 an hour with its disk."""
    return read_box(instance(7, dph_total=0.41, storage_total_cost=0.01, **changes))


def test_a_box_may_cost_what_was_agreed() -> None:
    require_price(box(), 0.41)
    with pytest.raises(OfferGone, match=r"^Vast\.ai: instance 7 costs \$0\.410/h, \$0\.400/h was agreed$"):
        require_price(box(), 0.40)


@pytest.mark.parametrize("price", [None, math.nan, -1, "much", [1]])
def test_a_box_that_hides_its_price_is_not_kept(price: object) -> None:
    hidden = read_box(instance(7, dph_total=price))
    with pytest.raises(OfferGone, match="does not say what it costs"):
        require_price(hidden, 0.40)


def test_a_price_that_changed_between_offer_and_creation_is_noticed() -> None:
    with rented() as renter:
        (first, _) = market(renter.calls.search(NEED.query()), NEED).offers
        number = renter.create(Fault.PRICE_UP)
        created = renter.box(number)
        assert created is not None
        with pytest.raises(OfferGone, match=r"costs \$0\.456/h, \$0\.306/h was agreed"):
            require_price(created, first.hourly(NEED.disk))


def test_a_need_has_no_surprises() -> None:
    """What is not told costs nothing more than it says."""
    free = Need(accelerator="cpu", disk=0, hours=0, gigabytes_in=0)
    assert free.cost(read_offer(raw())).total == 0
