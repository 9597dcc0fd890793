"""What the portal says of a rented machine's end, and its button for another hour."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from visomaster_host.lease import door, told
from visomaster_host.lease.asked import OnEnd
from visomaster_host.lease.clock import since_boot
from visomaster_host.lease.keeper import Ending, State
from visomaster_host.lease.terms import Terms, TooLate

from tests.portal import browser, rig

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@dataclass(kw_only=True)
class Lease:
    """What the service `lease` tells, and how often it was asked for more."""

    portal: rig.Portal
    kept: list[str] = field(default_factory=list)
    too_late: str = ""

    def tells(self, left: float, *, how: OnEnd = OnEnd.STOP, idle: bool = False, trouble: str = "") -> None:
        """The machine ends in `left` seconds."""
        now = time.time()
        found = Ending(at=now + left, how=how, idle=idle)
        state = State(terms=Terms(until=int(found.at), idle=60), ending=found, trouble=trouble)
        told_now = told.document(state, now) | {"seen": since_boot()}
        (self.portal.folder / "lease.json").write_text(json.dumps(told_now))

    def keep(self) -> str:
        if self.too_late:
            raise TooLate(self.too_late)
        self.kept.append("an hour")
        self.tells(4000)
        return "kept for another hour"


@pytest.fixture
def lease(portal: rig.Portal) -> Iterator[Lease]:
    """A machine with a lease that ends soon."""
    found, place = Lease(portal=portal), rig.sockets(portal.folder) / "lease.sock"
    found.tells(500)
    door.open_door(place, rig.ME, found.keep)
    yield found
    (portal.folder / "lease.json").unlink()
    place.unlink()


def test_without_a_lease_nothing_is_shown(portal: rig.Portal) -> None:
    assert json.loads(portal.inside("/status/status.json").body)["lease"] is None
    assert b'id="lease"' not in portal.inside("/", {"Accept": "text/html"}).body
    answer = portal.browse("/lease/keep", method="POST")
    assert (answer.status, json.loads(answer.body)) == (409, {"told": "no lease is kept here"})


def test_another_hour(lease: Lease, portal: rig.Portal) -> None:
    answer = portal.browse("/lease/keep", {"Origin": f"http://127.0.0.1:{portal.port}"}, "POST")
    assert (answer.status, json.loads(answer.body)) == (200, {"told": "kept for another hour"})
    assert answer.headers["cache-control"] == "no-store" and lease.kept == ["an hour"]
    lease.too_late = "it was kept for 24 hours so already"
    answer = portal.browse("/lease/keep", method="POST")
    assert (answer.status, json.loads(answer.body)) == (409, {"told": lease.too_late})


def test_nobody_else_gets_one(lease: Lease, portal: rig.Portal) -> None:
    """A stranger, a page of a neighbour's in the owner's browser, a link, a request with a body."""
    assert portal.get("/lease/keep", method="POST").status == 401
    for foreign in ("http://127.0.0.1:9", "https://evil.example", "null", ""):
        assert portal.browse("/lease/keep", {"Origin": foreign}, "POST").status == 403
    assert portal.browse("/lease/keep").status == 405
    assert portal.browse("/lease/keep", {"Content-Length": "3"}, "POST").status == 413
    assert lease.kept == []


def test_a_service_that_hangs_holds_up_its_own_button_alone(
    lease: Lease, portal: rig.Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ANSWERED_WITHIN", 0.2)
    monkeypatch.setattr(lease, "keep", lambda: "")
    place = rig.sockets(portal.folder) / "lease.sock"
    place.unlink()
    with rig.socket.socket(rig.socket.AF_UNIX) as silent:
        silent.bind(str(place))
        silent.listen()
        answer = portal.browse("/lease/keep", method="POST")
    assert answer.status == 409 and "does not answer" in json.loads(answer.body)["told"]


def test_the_page_says_when_and_has_the_button(lease: Lease, portal: rig.Portal, chromium: Browser) -> None:
    with browser.visitor(chromium) as context:
        page = context.new_page()
        lease.tells(500, how=OnEnd.DESTROY, trouble="Vast answers HTTP 500: <b>no</b>")
        page.goto(f"http://127.0.0.1:{portal.port}/?token={rig.TOKEN}")
        line = page.locator("#lease-line")
        line.get_by_text("is destroyed in 9 min").wait_for()
        assert "), with all that is on it: its lease is over then." in (line.text_content() or "")
        assert "Vast answers HTTP 500: <b>no</b>" in (line.text_content() or "")
        page.get_by_role("button", name="Keep it running for another hour").click()
        page.locator("#lease-told").get_by_text("kept for another hour").wait_for()
        assert lease.kept == ["an hour"]
        page.reload()
        line.get_by_text("is stopped at").wait_for()
        assert "It is stopped before that after 60 minutes without use." in (line.text_content() or "")
