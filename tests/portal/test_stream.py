"""The page /desktop/: what of Selkies is reached, and by whom; who has the desktop; a page that comes back.

Selkies itself is in tests/e2e; here a server is in its place, which hands the desktop to the last who came as it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from visomaster_host.portal.viewers import viewers

from tests.portal import browser, rig, stream

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SOCKET = "/desktop/api/websockets"
ITS_OWN = ("upload", "files/", "sessions", "recording", "screenshot", "print/1", "apps/", "switch", "turn", "health")


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    folder = tmp_path_factory.mktemp("stream")
    stream.write_page(folder / "selkies_web")
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as running:
        assert running.prepared.notices == ()
        yield running


@pytest.fixture
def selkies(portal: rig.Portal) -> Iterator[stream.Server]:
    """Listens where Selkies would."""
    server = stream.Server(rig.sockets(portal.folder) / "selkies.sock")
    yield server
    server.wait_for_end()


def test_only_the_websocket_is_reached(portal: rig.Portal, selkies: stream.Server) -> None:
    """With a login or without, nothing else of Selkies answers: it can write files, and runs as the program's user."""
    inside = {name: portal.inside(f"/desktop/api/{name}").status for name in ITS_OWN}
    assert inside == dict.fromkeys(ITS_OWN, 404)
    posted = {name: portal.browse(f"/desktop/api/{name}", method="POST").status for name in ITS_OWN}
    assert posted == dict.fromkeys(ITS_OWN, 404)
    outside = {name: portal.get(f"/desktop/api/{name}").status for name in (*ITS_OWN, "websockets", "status")}
    assert set(outside.values()) == {401}
    pages = {name: portal.get(f"/desktop/{name}").status for name in ("", "viewers", "assets/index-X1.js")}
    assert set(pages.values()) == {401}
    assert selkies.heads == []


def test_what_selkies_learns_of_a_visitor(portal: rig.Portal, selkies: stream.Server) -> None:
    """That there is one."""
    told = {"Origin": f"http://127.0.0.1:{portal.port}", "Referer": f"http://127.0.0.1:{portal.port}{portal.base}/x"}
    assert portal.browse(f"{SOCKET}?role=viewer&token=x", rig.websocket_headers(**told)).status == 101
    assert portal.inside(SOCKET, rig.websocket_headers()).status == 101
    assert [head.partition("\r\n")[0] for head in selkies.heads] == [f"GET {SOCKET} HTTP/1.1"] * 2
    said = "".join(selkies.heads).lower()
    secrets = ("cookie", "authorization", "origin", "referer", rig.TOKEN, portal.base, "viewer")
    assert [secret for secret in secrets if secret in said] == []


def test_a_page_of_selkies_is_none_of_ours(portal: rig.Portal, selkies: stream.Server) -> None:
    """The program's user may listen there in its place: what it answers runs no script, and sets no cookie."""
    body = b"<script>alert(1)</script>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=b\r\nContent-Security-Policy: script-src *\r\n"
    selkies.answer = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    answer = portal.browse(SOCKET, rig.websocket_headers())
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_who_may_open_the_websocket(portal: rig.Portal, selkies: stream.Server) -> None:
    """Our own page, by its origin or by what only its readers know; nothing but a websocket, and nothing is written."""
    foreign = rig.websocket_headers(Origin="http://evil.example")
    nonce = portal.prepared.environment["PORTAL_NONCE"]
    assert portal.browse(SOCKET, foreign).status == 403
    assert portal.browse(f"{SOCKET}?page={nonce[:-1]}0x", foreign).status == 403
    assert selkies.heads == []
    assert portal.browse(f"{SOCKET}?page={nonce}", foreign).status == 101
    assert nonce not in "".join(selkies.heads)
    assert [portal.browse(SOCKET).status, portal.browse(SOCKET, method="POST").status] == [400, 405]


def test_the_page_runs_our_scripts_alone(portal: rig.Portal) -> None:
    """Each start has another nonce, and no script runs without it."""
    answer = portal.browse("/desktop/")
    nonce = portal.prepared.environment["PORTAL_NONCE"]
    page = answer.body.decode()
    scripts = re.findall(r"<script\b[^>]*>", page)
    assert len(scripts) == 2 and all(f'nonce="{nonce}"' in script for script in scripts)
    assert "<title>Desktop · VisoMaster</title>" in page and "manifest" not in page
    policy = answer.headers["content-security-policy"]
    assert f"script-src 'nonce-{nonce}'" in policy and "script-src 'self'" not in policy
    assert portal.browse("/desktop/stream.html").status == 404
    assert portal.browse("/desktop").headers["location"] == "desktop/"


def test_no_selkies_no_page(folder: Path) -> None:
    """As with screen=guide; one that an earlier start has left is not served."""
    (folder / "run").mkdir()
    (folder / "run/stream.html").write_text("old")
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal:
        assert portal.browse("/desktop/").status == 404
        assert portal.browse("/").status == 200


# -- in a browser


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[BrowserContext]:
    with browser.visitor(chromium, viewport={"width": 1280, "height": 800}) as context:
        yield context


@pytest.fixture
def other(chromium: Browser) -> Iterator[BrowserContext]:
    """Another browser, or somebody else's."""
    with browser.visitor(chromium, viewport={"width": 390, "height": 844}) as context:
        yield context


def enter(context: BrowserContext, portal: rig.Portal) -> Page:
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{portal.port}/desktop/?token={rig.TOKEN}")
    return page


def test_one_has_the_desktop(
    portal: rig.Portal, selkies: stream.Server, visitor: BrowserContext, other: BrowserContext
) -> None:
    """The second one asks and takes over; the first is told, and takes it back."""
    first = enter(visitor, portal)
    stream.expect_playing(first)
    first.reload()
    stream.expect_playing(first)  # what was left of its own connection is nobody else
    second = enter(other, portal)
    second.get_by_text("is open elsewhere").wait_for()
    playing = [page.locator(stream.PLAYING).count() for page in (first, second)]
    assert playing == [1, 0], "it was taken before the question was answered"
    second.get_by_role("button", name="Use it here").click()
    stream.expect_playing(second)
    first.get_by_text("used elsewhere now").wait_for()
    first.get_by_role("button", name="Take it back").click()
    stream.expect_playing(first)
    second.get_by_text("used elsewhere now").wait_for()
    tab = visitor.new_page()
    tab.goto(first.url)
    tab.get_by_text("is open elsewhere").wait_for()
    first.close()
    stream.expect_playing(tab)  # nobody is there any more: there is nothing to ask
    assert selkies.said[0] == "r,1280x800,primary"
    assert "r,800x1732,primary" in selkies.said, "a phone's window asks for a desktop too small to work in"


OPENED = "sessionStorage.getItem('visomaster-stream')"


def tab_that_had(context: BrowserContext, connection: str) -> Page:
    """A tab that begins with what a tab with this connection keeps: one that is loaded again, or its duplicate."""
    page = context.new_page()
    page.add_init_script(f"{OPENED} ?? sessionStorage.setItem('visomaster-stream', '{connection}')")
    return page


def test_what_is_left_of_a_tabs_own_connection(
    portal: rig.Portal, selkies: stream.Server, visitor: BrowserContext
) -> None:
    """On a line that died, it is there for a while: loaded again, the page does not ask. A tab's duplicate asks."""
    path = rig.sockets(portal.folder) / "selkies.sock"
    with stream.opened(path):
        rig.wait_until(lambda: len(viewers(path)["viewers"]) == 1, "the connection")
        left = viewers(path)["viewers"][0]
        page = tab_that_had(visitor, left)
        page.goto(f"http://127.0.0.1:{portal.port}/desktop/?token={rig.TOKEN}")
        stream.expect_playing(page)
    browser.wait_for(page, f"{OPENED} !== '{left}'")
    duplicate = tab_that_had(visitor, str(page.evaluate(OPENED)))
    duplicate.goto(page.url)
    duplicate.get_by_text("is open elsewhere").wait_for()


def test_it_comes_back(portal: rig.Portal, selkies: stream.Server, visitor: BrowserContext) -> None:
    """Selkies is killed and begins anew: the page says so, and is left alone."""
    page = enter(visitor, portal)
    stream.expect_playing(page)
    selkies.stop()
    page.get_by_text("is not there at the moment").wait_for()
    selkies.start()
    stream.expect_playing(page)


def test_a_session_that_is_over(portal: rig.Portal, selkies: stream.Server, visitor: BrowserContext) -> None:
    """The next time that the page has to ask, it asks for the token."""
    page = enter(visitor, portal)
    stream.expect_playing(page)
    for session in portal.places.sessions.glob("*/*"):
        session.unlink()
    selkies.stop()  # which ends the connection
    page.get_by_label("Token").wait_for()


INSECURE = "Object.defineProperty(globalThis, 'isSecureContext', { value: false }); delete globalThis.AudioWorklet"


@pytest.mark.parametrize(
    ("lacking", "told"), [(INSECURE, "over https only"), ("delete globalThis.VideoDecoder", "This browser cannot")]
)
def test_a_browser_that_cannot_play_it(portal: rig.Portal, visitor: BrowserContext, lacking: str, told: str) -> None:
    """It is told why, and where the other view is."""
    page = visitor.new_page()
    page.add_init_script(lacking)
    page.goto(f"http://127.0.0.1:{portal.port}/desktop/?token={rig.TOKEN}")
    page.get_by_text(told).wait_for()
    page.get_by_role("button", name="Open it").click()
    page.wait_for_url("**/vnc/**")
