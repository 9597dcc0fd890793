"""Who is not let in, in a real browser: a token that was pasted with more around it, one that is wrong, one that was
changed while a page is open; and what is said in place of a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.portal import browser, rig, stream
from tests.portal.street import novnc_of_the_distribution

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HTML = {"Accept": "text/html"}
MOZILLA = {"User-Agent": "Mozilla/5.0"}
AROUND = {
    "spaces": f"  {rig.TOKEN}\u00a0",
    "line ends": f"\r\n{rig.TOKEN}\r\n",
    "quotes": f'"{rig.TOKEN}" ',
    "typeset quotes": f"“{rig.TOKEN}”",
    "the line that says it": f"token: {rig.TOKEN}",
    "the link that has it": f"http://127.0.0.1:11111/?token={rig.TOKEN}",
}
HURRIED = "const real = setInterval; globalThis.setInterval = (act, ms) => real(act, Math.min(ms, 500));"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "log").mkdir()
    (folder / "log/some.log").write_text("a line\n", encoding="utf-8")
    stream.write_page(folder / "selkies_web")
    with novnc_of_the_distribution(), rig.running(folder, rig.wanted(token=rig.TOKEN)) as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with browser.page(chromium, complain=False) as opened:
        yield opened


def inside(portal: rig.Portal, path: str) -> re.Pattern[str]:
    """The address of the page at `path` in a session."""
    return re.compile(rf"http://127\.0\.0\.1:{portal.port}/~[A-Za-z0-9_-]{{22}}{re.escape(path)}$")


@pytest.mark.parametrize("pasted", AROUND.values(), ids=AROUND)
def test_what_is_around_a_token_is_cut(page: Page, portal: rig.Portal, pasted: str) -> None:
    """In the field, and in an address."""
    page.goto(f"http://127.0.0.1:{portal.port}/logs/")
    page.get_by_label("Token").fill(pasted.strip("\r\n"))
    page.keyboard.press("Enter")
    page.wait_for_url(inside(portal, "/logs/"))
    page.context.clear_cookies()
    page.goto(f"http://127.0.0.1:{portal.port}/status/?token={quote(pasted, safe='')}")
    page.wait_for_url(inside(portal, "/status/"))


@pytest.mark.parametrize("token", [f"%20{rig.TOKEN}", f"{rig.TOKEN}%20", f"+{rig.TOKEN}+"])
def test_a_link_with_a_space_leads_in_without_a_script(portal: rig.Portal, token: str) -> None:
    assert portal.get(f"/?token={token}", HTML).status == 302


def test_a_wrong_token_in_an_address_is_told(page: Page, portal: rig.Portal) -> None:
    """It is no part of the address any more; the right one, typed, leads to the same page."""
    page.goto(f"http://127.0.0.1:{portal.port}/logs/some.log?token=not-the-right-one&raw=#end")
    page.get_by_role("alert").filter(has_text="not the token of this box").wait_for()
    assert page.url == f"http://127.0.0.1:{portal.port}/logs/some.log?raw=#end"
    page.get_by_label("Token").fill(rig.TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(inside(portal, "/logs/some.log?raw=#end"))


@pytest.mark.parametrize("path", ["/", "/status/", "/logs/", "/logs/some.log", "/vnc/", "/desktop/"])
def test_a_session_that_ends_shows_the_login_and_leads_back(page: Page, portal: rig.Portal, path: str) -> None:
    """Whatever page is open, of its own accord; here it looks twice a second."""
    page.add_init_script(HURRIED)
    page.goto(f"http://127.0.0.1:{portal.port}{path}?token={rig.TOKEN}", wait_until="commit")
    page.wait_for_url(re.compile(r"/~[^/]{22}/"), wait_until="domcontentloaded")
    page.wait_for_timeout(500)
    for session in portal.places.sessions.glob("*/*"):
        session.unlink()
    page.get_by_label("Token").wait_for()
    page.get_by_text("You are logged out").wait_for()
    page.get_by_label("Token").fill(rig.TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Token").wait_for(state="detached")
    page.wait_for_url(re.compile(rf"/~[^/]{{22}}{re.escape(path)}(vnc\.html.*)?$"), wait_until="commit")


def test_the_page_of_the_files_stays_with_what_is_under_way(page: Page, portal: rig.Portal) -> None:
    """It says where to log in, and is not loaded again."""
    page.add_init_script(HURRIED)
    page.goto(f"http://127.0.0.1:{portal.port}/files/?token={rig.TOKEN}")
    page.evaluate("document.title = 'the same page'")
    page.context.clear_cookies()
    page.get_by_role("link", name="Log in").wait_for()
    page.wait_for_timeout(1500)
    assert page.title() == "the same page"


@pytest.mark.parametrize(
    "mark", [MOZILLA, {"Origin": "http://127.0.0.1"}, {"Sec-Fetch-Mode": "cors"}], ids=["name", "origin", "fetch"]
)
def test_no_browser_is_asked_for_a_password(portal: rig.Portal, mark: dict[str, str]) -> None:
    """Whatever it calls itself, for a page's parts and for a websocket."""
    for headers in ({}, rig.websocket_headers()):
        answer = portal.get("/vnc/websockify", {**headers, **mark})
        assert answer.status in (401, 403)
        assert not answer.headers.get("www-authenticate", "").startswith("Basic")


def test_what_is_not_there_leads_back_into_the_session(portal: rig.Portal) -> None:
    """For a person; a program is told in a line, and who is not logged in learns nothing of what there is."""
    for path in ("/nothing", "/logs/none.log", "/vnc/none.js", "/files/none"):
        answer = portal.browse(path, HTML)
        assert (answer.status, f'href="{portal.base}/"'.encode() in answer.body) == (404, True), path
        assert portal.browse(path).body == b"404 Not Found"
        assert b'name="token"' in portal.get(path, HTML).body
    assert b'href="/"' in portal.inside("/nothing", HTML).body


def test_what_a_refusal_repeats_is_no_page(portal: rig.Portal) -> None:
    """A header of the visitor's is a text."""
    answer = portal.browse("/logout", {**HTML, "Origin": "http://<b>x</b>"}, "POST")
    assert (answer.status, b"<b>" in answer.body) == (403, False)
    assert b"&lt;b&gt;x" in answer.body


def test_the_page_comes_when_it_is_made(page: Page, portal: rig.Portal) -> None:
    """Until then there is ours, which is not loaded again and again."""
    page.goto(f"http://127.0.0.1:{portal.port}/?token={rig.TOKEN}")
    pages = rig.sockets(portal.folder) / "pages.sock"
    pages.rename(pages.with_suffix(".away"))
    try:
        page.goto(page.url + "logs/")
        page.get_by_role("heading", name="Starting").wait_for()
        page.evaluate("document.title = 'the same page'")
        page.wait_for_timeout(4000)
        assert page.title() == "the same page"
    finally:
        pages.with_suffix(".away").rename(pages)
    page.get_by_role("link", name="some.log").wait_for()
