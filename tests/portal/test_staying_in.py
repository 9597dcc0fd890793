"""Who is logged in stays so, as long as it is meant: bookmarks, restarts, new tokens, two tabs, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.portal import browser, rig
from tests.portal.street import Street, enter, expect_inside, expect_outside, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

LOG = 'a[href$="/logs/caddy.log"]'
"""A link of the list of logs."""


def test_who_logs_out_is_out_everywhere(owner: BrowserContext, street: Street) -> None:
    """In the tab where it was said and in the other one, and the session's cookie is worth nothing any more."""
    here, other = owner.pages[0], owner.new_page()
    other.goto(f"{street.here}/")
    expect_inside(other)
    before = owner.cookies()[0]
    here.get_by_role("button", name="Log out").click()
    expect_outside(here)
    other.reload()
    expect_outside(other)
    replayed = street.portal.get(before["path"], {"Cookie": f"{before['name']}={before['value']}"})
    assert replayed.status == 401
    enter(here, street)


def test_a_bookmark_leads_in(owner: BrowserContext, street: Street) -> None:
    """Of a page as it is in the address bar, and as the guide writes it."""
    page = owner.pages[0]
    page.goto(f"{street.here}/logs/")
    page.locator(LOG).first.wait_for()
    for address in (page.url, f"{street.here}/logs/", f"{street.here}/logs"):
        tab = owner.new_page()
        tab.goto(address)
        tab.locator(LOG).first.wait_for()


@pytest.mark.parametrize("bookmark", ["of this session", "of an older session", "as the guide writes it"])
def test_a_bookmark_of_the_desktop_connects(owner: BrowserContext, street: Street, bookmark: str) -> None:
    """noVNC is told in its address where the websocket is: that follows the session."""
    page, before = owner.new_page(), len(street.portal.websockify.seen)
    page.goto(f"{street.here}/vnc/", wait_until="commit")  # no desktop answers: it is loaded again and again
    until(page, lambda: len(street.portal.websockify.seen) > before, "the desktop's websocket")
    place = page.url
    mine = urlsplit(owner.pages[0].url).path.strip("/")
    page.close()
    if bookmark == "of an older session":
        place = place.replace(mine, f"~{'A' * 22}") if mine else place
    elif bookmark == "as the guide writes it":
        place = f"{street.here}/vnc/vnc.html?autoconnect=1&path=vnc/websockify"
    page, before = owner.new_page(), len(street.portal.websockify.seen)
    page.goto(place, wait_until="commit")
    until(page, lambda: len(street.portal.websockify.seen) > before, "the desktop's websocket by the bookmark")


def test_a_bookmark_of_a_stranger_leads_to_the_login(chromium: Browser, owner: BrowserContext, street: Street) -> None:
    """The owner's address, secret path and all, opens nothing in another browser."""
    address = owner.pages[0].url
    with browser.visitor(chromium) as context:
        page = context.new_page()
        page.goto(address)
        expect_outside(page)


def test_the_open_button_again(owner: BrowserContext, street: Street) -> None:
    """Both tabs are in afterwards."""
    first, second = owner.pages[0], owner.new_page()
    enter(second, street)
    for page in (first, second):
        page.reload()
        expect_inside(page)


def test_a_restart_keeps_the_login(chromium: Browser, tmp_path: Path) -> None:
    """Everything of the portal ends and comes back; the tab is reloaded, a new one opened."""
    port = rig.free_port()
    wanted = rig.wanted(token=rig.TOKEN)
    with browser.visitor(chromium) as context:
        first = context.new_page()
        with rig.running(tmp_path, wanted, port):
            first.goto(f"http://127.0.0.1:{port}/?token={rig.TOKEN}")
            expect_inside(first)
        with rig.running(tmp_path, wanted, port):
            first.reload()
            expect_inside(first)
            second = context.new_page()
            second.goto(f"http://127.0.0.1:{port}/")
            expect_inside(second)


def test_a_new_token_ends_old_logins_at_rest(chromium: Browser, tmp_path: Path) -> None:
    """What the browser still knows of the old one leads to the question for the token, once and not for ever."""
    port = rig.free_port()
    asked: list[str] = []
    with browser.visitor(chromium) as context:
        page = context.new_page()
        with rig.running(tmp_path, rig.wanted(token=rig.TOKEN), port):
            page.goto(f"http://127.0.0.1:{port}/?token={rig.TOKEN}")
            expect_inside(page)
        with rig.running(tmp_path, rig.wanted(token="another-token-than-before"), port):
            page.on("request", lambda request: asked.append(request.url))
            for address in (page.url, f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/logs/"):
                page.goto(address)
                expect_outside(page)
            page.wait_for_timeout(500)
            expect_outside(page)
            assert len(asked) < 20, asked
            page.get_by_label("Token").fill("another-token-than-before")
            page.get_by_role("button", name="Log in").click()
            page.locator(LOG).first.wait_for()


def test_a_wrong_secret_path_goes_round_in_no_circle(owner: BrowserContext, street: Street) -> None:
    """A link of the neighbour's, or a bookmark of a session that is over: the page or the question, and then rest."""
    page, asked = owner.pages[0], []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{street.here}/~{'A' * 43}/logs/")
    page.get_by_label("Token").or_(page.locator(LOG)).first.wait_for()
    page.wait_for_timeout(500)
    assert len(asked) < 20, asked
    assert page.url.startswith(street.here)
    page.goto(f"{street.here}/")
    expect_inside(page)


NO_STORAGE = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked'); } });"


def test_without_storage_the_link_leads_in(chromium: Browser, street: Street) -> None:
    """A browser that keeps nothing for pages: the link and the form lead in all the same."""
    with browser.visitor(chromium) as context:
        context.add_init_script(NO_STORAGE)
        page = context.new_page()
        enter(page, street)
        page.get_by_role("link", name="Status").click()
        page.get_by_role("link", name="Logs").wait_for()
        page.goto(f"{street.here}/logs/")
        if page.get_by_label("Token").count():
            page.get_by_label("Token").fill(rig.TOKEN)
            page.get_by_role("button", name="Log in").click()
        page.locator(LOG).first.wait_for()
