"""The first page in a person's words: what the big button opens, the tab, the machine, the address to take along."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from visomaster_host.lease.clock import since_boot

from tests.portal import browser, rig
from tests.portal.test_browser import enter, fetching

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COMMIT = "83ef3f477ae45e40c799dbd727bca006c4494047"
GUIDES = {
    "The desktop (noVNC)": "VNC",
    "The program's output": "AppLogs",
    "The screen (VNC)": "VNCLogs",
    "The portal (Caddy)": "CaddyLogs",
    "All logs": "LogBrowse",
}


@pytest.fixture
def shown(portal: rig.Portal) -> Iterator[rig.Portal]:
    """The portal, all of it ready."""
    before = list(portal.checks), dict(portal.machine)
    fetching(portal, 1.0, "done")
    (portal.folder / "host.json").write_text(json.dumps({"application": "VisoMaster", "commit": COMMIT}))
    yield portal
    portal.checks[:] = before[0]
    portal.machine |= before[1]
    for name in ("fetch.json", "host.json", "lease.json"):
        (portal.folder / name).unlink(missing_ok=True)


def starting(portal: rig.Portal) -> None:
    """Nothing but the portal is there."""
    (portal.folder / "fetch.json").unlink(missing_ok=True)
    portal.checks[:] = [
        rig.Result(name="screen", ok=False, detail="no X server listens on display :1"),
        rig.Result(name="connection", ok=False, detail="needs vnc"),
        rig.Result(name="program", ok=False, detail="needs screen"),
    ]


def button(page: Page) -> str:
    return " ".join(page.locator(".desktop .open").inner_text().split())


def icon(page: Page) -> str:
    return str(page.locator('link[rel="icon"]').get_attribute("href")).rpartition("/")[2]


def test_the_guides_names_stay_as_the_second_line(chromium: Browser, shown: rig.Portal) -> None:
    with browser.page(chromium) as page:
        enter(page, shown)
        links = page.get_by_role("navigation").get_by_role("listitem")
        found = dict(text.split("\n") for text in links.all_inner_texts() if "\n" in text)
        assert found == GUIDES


def test_a_log_has_its_files_name_as_the_second_line(chromium: Browser, shown: rig.Portal) -> None:
    """The program's come first; one that is nobody's of ours keeps its name."""
    (shown.folder / "log/of_somebody.log").write_text("x")
    with browser.page(chromium) as page:
        enter(page, shown, "/logs/")
        cells = [cell.split("\n") for cell in page.locator("td:first-child").all_inner_texts()]
        assert cells[0] == ["The program's output", "visomaster_app.log"]
        assert ["The screen (VNC)", "x11vnc.log"] in cells and ["of_somebody.log"] in cells
        page.get_by_role("link", name="The program's output").click()
        assert page.title() == "The program's output · VisoMaster"
        assert page.get_by_role("banner").get_by_text("visomaster_app.log").is_visible()
    (shown.folder / "log/of_somebody.log").unlink()


def test_the_button_says_what_one_would_see(chromium: Browser, shown: rig.Portal) -> None:
    """Before there is a desktop, while the models come, without some of them, and at last."""
    starting(shown)
    with browser.page(chromium) as page:
        enter(page, shown)
        assert button(page) == "The desktop is starting It cannot be opened yet; this page says when."
        assert page.get_by_text("waits for the screen").is_visible()
        fetching(shown, 0.34)
        browser.wait_for(page, "document.querySelector('.open strong').textContent === 'Open the desktop'")
        assert button(page) == "Open the desktop The program appears there when the models have come, in about 21 s."
        fetching(shown, 0.34, "failed", "404 Not Found")
        browser.wait_for(page, "document.querySelector('.open span').textContent.startsWith('Without the program')")
        (shown.folder / "fetch.json").unlink()
        browser.wait_for(page, "document.querySelector('.open span').textContent.endsWith('in a moment.')")
        fetching(shown, 1.0, "done")
        page.wait_for_selector("#ready.good")
        assert button(page).startswith("Open the desktop in this browser, ")


def test_the_tab_tells_ready_from_starting(chromium: Browser, shown: rig.Portal) -> None:
    """By its title and its icon, each of which is there; also when nobody looks at it."""
    starting(shown)
    with browser.page(chromium) as page:
        # As in another tab: headless, each of them is seen.
        page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => true });")
        enter(page, shown)
        assert (page.title(), icon(page)) == ("Starting… · VisoMaster", "icon_wait.svg")
        fetching(shown, 0.34)
        browser.wait_for(page, "document.title === '34 % · Fetching models · VisoMaster'")
        fetching(shown, 0.34, "failed", "404 Not Found")
        browser.wait_for(page, "document.title === 'Models missing · VisoMaster'")
        assert icon(page) == "icon_bad.svg"
        fetching(shown, 1.0, "done")
        browser.wait_for(page, "document.title === 'VisoMaster'")
        assert icon(page) == "icon.svg"
        enter(page, shown, "/status/")
        assert page.title() == "Status · VisoMaster"
    for name in ("icon.svg", "icon_wait.svg", "icon_bad.svg"):
        assert shown.inside(f"/assets/{name}").headers["content-type"] == "image/svg+xml"


CARD = {"name": "NVIDIA RTX 4000", "used": 3 << 30, "total": 20475 << 20}


@pytest.mark.parametrize(
    ("machine", "gpus"),
    [
        ({"gpus": [CARD, CARD | {"used": None}]}, ["NVIDIA RTX 4000, 3.0 of 20 GB used", "NVIDIA RTX 4000, 20 GB"]),
        ({"gpus": []}, ["none"]),
        ({"gpus": None, "gpu_silent": True}, ["its driver does not answer"]),
        ({"gpus": None}, []),
    ],
    ids=["two", "none", "silent", "unknown"],
)
@pytest.mark.parametrize("path", ["/", "/status/"])
def test_the_machine(chromium: Browser, shown: rig.Portal, machine: dict[str, Any], gpus: list[str], path: str) -> None:
    """Its GPUs, its disk, how long it runs; no price where Vast tells none."""
    shown.machine.update(machine | {"up": 3 * 86400 + 7200.0})
    with browser.page(chromium) as page:
        enter(page, shown, path)
        facts = page.locator("#machine > div")
        found = [tuple(text.split("\n")) for text in facts.all_inner_texts()]
        shown_ones = [tuple(part.strip() for part in pair if part.strip()) for pair in found]
        assert [pair[1] for pair in shown_ones if pair[0] == "GPU"] == gpus
        assert ("Disk", "83.2 GB free of 214.7 GB") in shown_ones
        assert ("Running for", "3 days 2 h") in shown_ones
        assert not any("Paying" in pair[0] for pair in shown_ones)
    shown.machine.update(gpu_silent=False)


def test_what_it_costs_so_far(chromium: Browser, shown: rig.Portal) -> None:
    now = time.time()
    told = {"price": {"hourly": 0.212, "since": now - 10 * 3600}, "now": now, "seen": since_boot(), "ends": None}
    (shown.folder / "lease.json").write_text(json.dumps(told))
    with browser.page(chromium) as page:
        enter(page, shown)
        assert page.get_by_text("about $2.12 so far").is_visible()
        assert page.get_by_text("Paying since").is_visible()


def test_the_commit_is_short_and_whole_where_one_looks(chromium: Browser, shown: rig.Portal) -> None:
    with browser.page(chromium) as page:
        enter(page, shown, "/status/")
        short = page.get_by_title(COMMIT)
        assert short.inner_text() == COMMIT[:10]
        assert page.locator("main").inner_text().count(COMMIT) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", browser.ELSEWHERE], ids=["secure context", "plain http"])
def test_the_address_is_copied_without_the_session(chromium: Browser, shown: rig.Portal, host: str) -> None:
    """Browsers have no clipboard on a page that is not encrypted; what is copied lets nobody in."""
    address = f"http://{host}:{shown.port}/"
    with browser.page(chromium, complain=False) as page:  # of the login, which is an answer 401
        if host == "127.0.0.1":
            page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{address}?token={rig.TOKEN}")
        assert page.evaluate("isSecureContext") is (host == "127.0.0.1")
        page.get_by_role("button", name="Copy the address").click()
        page.get_by_text(f"Copied: {address}").wait_for()
        local = host == "127.0.0.1"
        told = page.locator("#address-told").inner_text()
        assert ("on this computer only" if local else "the token is asked for") in told
        assert page.evaluate("document.activeElement.textContent") == "Copy the address"
        page.context.clear_cookies()
        page.goto(address)
        field = page.get_by_label("Token")
        field.press("Control+v")
        assert field.input_value() == address
