"""A portal behind somebody's proxy, in a real browser: what passes on another host, no websockets, or not every part.

PORTAL_TEST_PICTURES=FOLDER keeps the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.portal import browser, rig, wire
from tests.portal.street import expect_inside, novnc_of_the_distribution, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

PICTURES = Path(os.environ["PORTAL_TEST_PICTURES"]) if "PORTAL_TEST_PICTURES" in os.environ else None
OTHER_HOST = {"Host": "desk.example"}
OTHER_HOST_IN_THE_CLEAR = {**OTHER_HOST, "Sec-Fetch-Site": ""}
"""Browsers say where a request comes from only where an address is https, or this machine's own."""
NO_WEBSOCKETS = {"Upgrade": "", "Connection": "keep-alive"}
PARTS = [
    ("/", "portal.js", "no answer"),
    ("/", "portal.css", "502"),
    ("/status/", "portal.js", "502"),
    ("/logs/", "session.js", "no answer"),
    ("/logs/some.log", "log.js", "502"),
    ("/vnc/", "novnc.js", "502"),
    ("/vnc/", "app/ui.js", "no answer"),
    ("/vnc/", "core/decoders/tight.js", "502"),
    ("/vnc/", "app/styles/base.css", "no answer"),
]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    """With the real noVNC, and a websocket that nobody draws on."""
    folder = tmp_path_factory.mktemp("between")
    with novnc_of_the_distribution(), rig.running(folder, rig.wanted(token=rig.TOKEN)) as running:
        (folder / "log/some.log").write_text("a line\n", encoding="utf-8")
        yield running


@contextmanager
def behind(portal: rig.Portal, told: dict[str, str]) -> Iterator[str]:
    """The portal's address behind a proxy that says what it was `told`."""
    proxy = wire.Between(portal.port, told=told)
    try:
        yield f"http://127.0.0.1:{proxy.port}"
    finally:
        proxy.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with browser.page(chromium, complain=False) as opened:
        yield opened


def works(page: Page, portal: rig.Portal, path: str, before: int) -> None:
    """Everything of the page at `path` is there and does what it should. Raises when it does not."""
    page.locator("#told").wait_for(state="detached")
    page.wait_for_load_state()
    if path == "/vnc/":
        until(page, lambda: len(portal.websockify.seen) > before, "the desktop's websocket")
        return
    if path in ("/", "/status/"):
        page.locator("#ready.good").wait_for()
    elif path == "/logs/some.log":
        page.get_by_text("a line").wait_for()
    assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px", "the page's style"
    assert page.evaluate("localStorage.getItem('visomaster-session')"), "what session.js does"


@pytest.mark.parametrize(("path", "part", "failing"), PARTS)
def test_a_part_that_does_not_come_is_asked_for_again(
    page: Page, portal: rig.Portal, path: str, part: str, failing: str
) -> None:
    """Once is no matter: the page says so, is loaded again, and is whole."""
    failed: list[str] = []

    def fail_once(route: Route) -> None:
        if failed:
            route.continue_()
            return
        failed.append(route.request.url)
        route.abort() if failing == "no answer" else route.fulfill(status=502, body="Bad Gateway")

    page.goto(f"http://127.0.0.1:{portal.port}/?token={rig.TOKEN}")
    expect_inside(page)
    page.evaluate("localStorage.clear()")
    begin = page.url.rstrip("/")
    page.route(f"**/{part}*", fail_once)
    before = len(portal.websockify.seen)
    page.goto(begin + path, wait_until="commit")
    page.get_by_text("A part of this page did not load").wait_for()
    works(page, portal, path, before)
    assert len(failed) == 1


@pytest.mark.parametrize(("path", "part"), [("/", "portal.js"), ("/vnc/", "core/rfb.js"), ("/", "portal.css")])
def test_a_part_that_never_comes_is_asked_for_some_times(page: Page, portal: rig.Portal, path: str, part: str) -> None:
    """Then the page says so and waits for the visitor; here it believes to have tried for half a minute."""
    page.goto(f"http://127.0.0.1:{portal.port}/?token={rig.TOKEN}")
    place = page.url.rstrip("/") + path
    page.add_init_script(
        "const key = `visomaster-again ${location.pathname}`;"
        "if (sessionStorage.getItem('tried') === null) sessionStorage.setItem(key, 5);"
        "sessionStorage.setItem('tried', 'yes');"
        if path == "/"
        else "for (const end of ['', 'vnc.html']) { const key = `visomaster-again ${location.pathname}`;"
        "if (location.pathname.endsWith('.html') && sessionStorage.getItem('tried') === null)"
        " { sessionStorage.setItem(key, 5); sessionStorage.setItem('tried', 'yes'); } }"
    )
    page.route(f"**/{part}*", lambda route: route.abort())
    page.goto(place, wait_until="commit")
    page.get_by_text("A part of this page did not load, 5 times").wait_for()
    browser.save(page, PICTURES, f"missing-{part.replace('/', '-')}")
    page.unroute(f"**/{part}*")
    before = len(portal.websockify.seen)
    page.get_by_role("button", name="Try again").click()
    works(page, portal, path, before)


def test_while_nobody_answers_the_page_stays(page: Page, portal: rig.Portal) -> None:
    """Loaded again then, it would be the browser's own page, which does not come back."""
    page.goto(f"http://127.0.0.1:{portal.port}/?token={rig.TOKEN}")
    down = [True]

    def fail(route: Route) -> None:
        part = route.request.url.endswith("portal.js") or route.request.resource_type == "fetch"
        route.abort() if down and part else route.continue_()

    page.route("**/*", fail)
    page.reload(wait_until="commit")
    page.get_by_text("The box does not answer").wait_for()
    browser.save(page, PICTURES, "missing-lost")
    down.clear()
    works(page, portal, "/", 0)


HURRIED = "const real = AbortSignal.timeout; AbortSignal.timeout = (ms) => real.call(AbortSignal, ms / 20);"


@pytest.mark.parametrize(("path", "asked"), [("/", "**/status.json"), ("/logs/some.log", "**/some.log?offset=*")])
def test_a_question_that_is_never_answered_is_asked_again(
    page: Page, portal: rig.Portal, path: str, asked: str
) -> None:
    """On a line that went dead: the page says that there is no answer, and goes on when there is."""
    page.add_init_script(HURRIED)
    page.goto(f"http://127.0.0.1:{portal.port}{path}?token={rig.TOKEN}")
    page.get_by_role("status").filter(has_text="ready" if path == "/" else "following").wait_for()
    page.route(asked, lambda route: None)
    page.get_by_role("status").filter(has_text="no answer").wait_for()
    page.unroute(asked)
    page.get_by_role("status").filter(has_text="ready" if path == "/" else "following").wait_for()


@pytest.mark.parametrize("told", [OTHER_HOST, OTHER_HOST_IN_THE_CLEAR], ids=["https", "http"])
def test_the_desktop_connects_whatever_host_the_proxy_says(
    page: Page, portal: rig.Portal, told: dict[str, str]
) -> None:
    """The page shows by itself that it is ours."""
    with behind(portal, told) as here:
        before = len(portal.websockify.seen)
        page.goto(f"{here}/vnc/?token={rig.TOKEN}", wait_until="commit")
        until(page, lambda: len(portal.websockify.seen) > before, "the desktop's websocket")
    assert b"page=" not in portal.websockify.seen[-1]
    assert "page=" not in page.url


def test_the_pages_say_what_a_proxy_does_wrong(page: Page, portal: rig.Portal) -> None:
    """In one sentence with both hosts, on the index, on the status page, and where somebody logs in."""
    with behind(portal, OTHER_HOST_IN_THE_CLEAR) as here:
        sentence = f"The browser says this page is at {here}, what arrived here is for desk.example."
        page.goto(f"{here}/", wait_until="commit")
        page.get_by_label("Token").fill(rig.TOKEN)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text(sentence).wait_for()
        browser.save(page, PICTURES, "between-login")
        for path in ("/", "/status/"):
            page.goto(f"{here}{path}?token={rig.TOKEN}")
            page.get_by_role("alert").filter(has_text=sentence).wait_for()
            browser.save(page, PICTURES, f"between-{path.strip('/') or 'index'}")
            assert browser.fits(page)
    with behind(portal, OTHER_HOST) as here:
        page.goto(f"{here}/?token={rig.TOKEN}")
        page.locator("#ready.good").wait_for()
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Token").wait_for()


def test_a_desktop_without_websockets_says_so(page: Page, portal: rig.Portal) -> None:
    """After some tries, with what to do and a button; what it tries after that disturbs nobody who reads."""

    def said() -> str:
        return (portal.folder / "log/caddy.log").read_text()

    with behind(portal, NO_WEBSOCKETS) as here:
        page.goto(f"{here}/vnc/?token={rig.TOKEN}", wait_until="commit")
        page.get_by_text("A proxy in between has to pass websockets on").wait_for(timeout=30_000)
        browser.save(page, PICTURES, "between-desktop")
        page.evaluate("document.title = 'the same page'")
        asked = said().count("/vnc/websockify")
        until(page, lambda: said().count("/vnc/websockify") > asked, "another try")
        assert page.title() == "the same page"
        assert page.get_by_text("A proxy in between has to pass websockets on").is_visible()
        page.get_by_role("button", name="Try again").click()
        page.wait_for_event("load")


def test_a_desktop_whose_token_was_changed_asks_for_it(page: Page, portal: rig.Portal) -> None:
    """A session that has ended while the page was open leads to the login, not to another try."""
    page.goto(f"http://127.0.0.1:{portal.port}/vnc/?token={rig.TOKEN}", wait_until="commit")
    until(page, lambda: "vnc.html" in page.url, "the desktop's page")
    page.context.clear_cookies()
    page.get_by_label("Token").wait_for()
