"""Labels that say whose a box is and until when, and what a box has cost."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.fake_vast import instance
from tests.hostile import one_line
from tests.unit.foreign_text import every_kind
from vast.boxes import Spent, read_box
from vast.lease import LONGEST_LABEL, Lease, new_lease, read_label

FIVE = datetime(2026, 11, 27, 5, tzinfo=timezone.utc)
NOW = FIVE.timestamp()


def test_a_label_says_what_it_is_for() -> None:
    """In the form that the console shows, and read back as it was."""
    lease = new_lease("alt", 4, "anna", NOW)
    label = lease.label()
    assert label == f"visomaster alt until=2026-11-27T09:00Z by=anna mark={lease.mark}"
    assert read_label(label) == lease


def test_two_rentals_of_one_minute_differ() -> None:
    """By its mark each finds the box that it created."""
    assert new_lease("alt", 4, "anna", NOW).label() != new_lease("alt", 4, "anna", NOW).label()


@pytest.mark.parametrize(
    ("until", "hour"),
    [
        ("2026-11-27T05:00Z", 5),
        ("2026-11-27T05:00z", 5),
        ("2026-11-27T05:00:30Z", 5),
        ("2026-11-27T05:00", 5),
        ("2026-11-27T05:00+02:00", 3),
        ("2026-11-27", 0),
        ("tomorrow", None),
        ("2026-13-45T99:00Z", None),
        ("0001-01-01T00:00+14:00", None),
        ("", None),
    ],
)
def test_what_a_person_wrote_is_read_where_it_can_be(until: str, hour: int | None) -> None:
    lease = read_label(f"my VisoMaster, alt until={until} by=me;")
    assert lease is not None and (lease.variant, lease.by) == ("alt", "me")
    assert (lease.until and lease.until.hour) == hour


@pytest.mark.parametrize("label", ["", "alt", "my desk", "visomasters alt", "x=visomaster"])
def test_other_boxes_are_not_ours(label: str) -> None:
    assert read_label(label) is None


@pytest.mark.parametrize("label", ["visomaster", "VISOMASTER until= by="])
def test_a_label_that_says_little_is_ours_without_an_end(label: str) -> None:
    lease = read_label(label)
    assert lease is not None and lease.until is None and not lease.expired(NOW) and lease.left(NOW) is None


def test_the_end_of_a_lease() -> None:
    lease = new_lease("alt", 1, "anna", NOW)
    assert lease.left(NOW) == timedelta(hours=1)
    assert not lease.expired(NOW + 3599) and lease.expired(NOW + 3600)


@every_kind
def test_whoever_rents(text: str) -> None:
    """A user's name and a label are shown: nothing acts on a terminal, nothing breaks the label's words."""
    lease = new_lease("s-alt", 4, text, NOW)
    one_line(lease.label())
    assert read_label(lease.label()) == lease and len(lease.label()) <= LONGEST_LABEL
    read_label(f"visomaster until={text} by={text}")


# What a box has cost


def box(status: str | None = "running", **changes: Any) -> Any:
    """A box that was created an hour ago and costs $0.40 for its GPU and $0.01 for its disk."""
    prices = {"dph_total": 0.41, "storage_total_cost": 0.01, "start_date": NOW - 3600}
    return read_box(instance(7, **{"actual_status": status, **prices, **changes}))


@pytest.mark.parametrize(
    ("status", "gpu", "at_least"),
    [
        ("running", 0.40, False),
        ("loading", 0.0, False),
        (None, 0.0, False),
        ("exited", 0.0, True),
        ("stopped", 0.0, True),
    ],
)
def test_storage_is_billed_in_every_state(status: str | None, gpu: float, at_least: bool) -> None:
    """And the GPU while it runs: of a box that stands still Vast does not tell for how long it did."""
    spent = box(status).spent(NOW)
    assert spent.gpu == pytest.approx(gpu) and spent.storage == pytest.approx(0.01)
    assert spent.total == pytest.approx(gpu + 0.01) and spent.at_least is at_least


def test_storage_is_worked_out_where_it_is_not_told() -> None:
    """Vast's own example: 10 GB at $0.149 a GB and month."""
    rates = {"storage_total_cost": None, "storage_cost": 0.14933333333333335, "disk_space": 10.0}
    assert box(**rates).price.storage == pytest.approx(0.002074074074074074)


@pytest.mark.parametrize(
    "changes", [{"start_date": None}, {"start_date": "soon"}, {"dph_total": None}, {"dph_total": "x"}]
)
def test_what_is_not_known_is_no_zero(changes: dict[str, Any]) -> None:
    assert box(**changes).spent(NOW) is None


def test_a_clock_that_is_behind_gives_no_money_back() -> None:
    assert box(start_date=NOW + 3600).spent(NOW) == Spent(gpu=0.0, storage=0.0, at_least=False)


def test_a_box_knows_its_lease() -> None:
    ours = box(
        label=Lease(variant="s-def", until=FIVE).label(), machine_id=12, status_msg=" up\n", geolocation="Norway"
    )
    assert ours.is_ours and ours.lease.until == FIVE and ours.variant == "s-def"
    assert (ours.machine, ours.message, ours.place) == (12, "up", "Norway")
    assert not box(label="alt").is_ours
