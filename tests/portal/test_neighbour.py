"""Another tenant's page on another port of the same address, in the browser of somebody who is logged in.

Cookies ignore ports, and to SameSite both are one site: what keeps the neighbour out is tried here in a real browser.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

from tests.portal import hostile, rig, visitor
from tests.portal.street import Street, enter, expect_inside, until, visit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

DOORS = ("/", "/status/status.json", "/logs/", "/vnc/vnc.html", "/assets/portal.css", "/nothing")


def doors_opened_by(street: Street, bait: dict[str, str]) -> list[tuple[str, int]]:
    """What of the portal is open to somebody who sends the headers `bait`, below any path that they name."""
    prefixes = {"", urlsplit(bait.get("Referer", "")).path.rstrip("/")}
    found = []
    for prefix in prefixes:
        for door in DOORS:
            answer = street.portal.get(prefix + door, bait)
            found.append((prefix + door, answer.status))
        own = {**bait, "Origin": street.here, "Host": urlsplit(street.here).netloc}
        answer = street.portal.get(prefix + "/vnc/websockify", rig.websocket_headers(**own))
        found.append((prefix + "/vnc/websockify", answer.status))
    return [(door, status) for door, status in found if status != 401]


# --- what the neighbour is told ---


def test_nothing_that_a_browser_tells_the_neighbour_opens_anything(owner: BrowserContext, street: Street) -> None:
    """Its every cookie and Referer, after a visit and after a click on the portal's own link there, sent to the
    portal from elsewhere: no page, no websocket."""
    page = owner.pages[0]
    page.get_by_role("link", name="Neighbour").click()
    page.wait_for_url(f"{street.there}/lab")
    assert page.evaluate("[window.opener, document.referrer, document.cookie]") == [None, "", ""]
    for path in ("/", "/vnc/", "/~/", "/status/status.json"):
        visit(owner, street, path).evaluate("fetch('/again', {credentials: 'include'}).then(() => null)")
    until(page, lambda: len(street.neighbour.heard) >= 9, "the neighbour's visits")
    opened = [doors_opened_by(street, {"Accept": "*/*", **bait}) for bait in [{}, *street.neighbour.bait]]
    assert opened == [[]] * len(opened)


def test_the_session_is_in_nobodys_hands(owner: BrowserContext, street: Street) -> None:
    """No script reads it, nothing but the path it opens gets it, and that path cannot be guessed."""
    cookies = owner.cookies()
    assert len(cookies) == 1
    assert cookies[0]["httpOnly"]
    assert cookies[0]["sameSite"] in ("Lax", "Strict")
    assert re.fullmatch(r"/~[A-Za-z0-9_-]{20,}/", cookies[0]["path"]), cookies[0]["path"]
    assert owner.pages[0].evaluate("document.cookie") == ""


def test_the_secret_path_goes_no_further(street: Street) -> None:
    """No backend is told it, in no header, and no log of the host has it: with it, the neighbour would lay a page of
    its own there and be sent the cookie."""
    session = visitor.log_in(street.portal)
    assert len(session.prefix) > 20, "there is no secret path"
    page = f"{street.here}{session.prefix}/vnc/"
    for path in ("/", "/status/", "/logs/", "/nothing", "/vnc/vnc.html", "/service/"):
        street.portal.get(session.prefix + path, {**session.headers, "Referer": page})
    headers = rig.websocket_headers(**session.headers, Origin=street.here, Referer=page)
    headers["Host"] = urlsplit(street.here).netloc
    assert street.portal.get(f"{session.prefix}/vnc/websockify", headers).status == 101
    secret = session.prefix.strip("/~")
    for seen in (street.portal.websockify.seen[-1].decode(), street.service.seen[-1].decode()):
        assert (secret in seen, session.value in seen) == (False, False)
    written = [path for path in street.portal.folder.rglob("*.log") if secret in path.read_text(errors="replace")]
    assert written == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_half_a_login_is_none(built: Street, method: str) -> None:
    """The secret path without its cookie opens nothing and logs nobody out; nor does the cookie below another path."""
    session = visitor.log_in(built.portal)
    assert session.prefix, "there is no secret path"
    other = session.prefix[:-1] + ("A" if session.prefix[-1:] != "A" else "B")
    wrong = {"Cookie": f"{session.name}={session.value[:-1]}x"}
    for path in ("/", "/status/status.json", "/logs/", "/vnc/vnc.html", "/vnc/websockify", "/service/", "/logout"):
        for prefix, headers in ((session.prefix, {}), (session.prefix, wrong), (other, session.headers)):
            assert built.portal.get(prefix + path, headers, method).status in (401, 403, 405), (prefix, path)
    assert built.portal.get(f"{session.prefix}/status/", session.headers).status == 200


# --- what the neighbour's page can do ---


def test_the_neighbour_reads_nothing(owner: BrowserContext, street: Street) -> None:
    """By fetch, XMLHttpRequest, event streams, scripts, pictures, styles and websockets: each is refused, and not even
    that somebody is logged in shows."""
    before = len(street.portal.websockify.seen)
    outcomes = visit(owner, street).evaluate(hostile.READ, street.here)
    assert len(outcomes) > 40
    assert {name: found for name, found in outcomes.items() if found != "refused"} == {}
    assert len(street.portal.websockify.seen) == before


def test_the_neighbour_frames_nothing(owner: BrowserContext, street: Street) -> None:
    """A frame with the desktop in it, under a page that has the owner click, stays blank."""
    page = visit(owner, street)
    page.evaluate(hostile.FRAMES, street.here)
    frames = page.frames[1:]
    assert f"{street.there}/framed" in [frame.url for frame in frames]
    assert [frame.url for frame in frames if frame.url.startswith(street.here)] == []


def test_the_neighbour_posts_nothing(owner: BrowserContext, street: Street) -> None:
    """By fetch, beacon and form, to pages and to where one logs out, and by leading the owner there: the session lives
    on."""
    led = visit(owner, street)
    led.evaluate(hostile.POSTS, street.here)
    led.evaluate("place => { location = place; }", f"{street.here}/logout")
    led.wait_for_url(f"{street.here}/**")
    page = owner.pages[0]
    page.reload()
    expect_inside(page)


def test_the_neighbour_cannot_speak_for_a_proxy(owner: BrowserContext, street: Street) -> None:
    """Not even one that knows the secret path: what a proxy would say of the browser's host, a page cannot say, and it
    knows nothing that stands in ours."""
    before = len(street.portal.websockify.seen)
    outcomes = visit(owner, street).evaluate(hostile.AS_A_PROXY, f"{street.here}{street.portal.session.base}")
    assert len(outcomes) == 7
    assert {name: found for name, found in outcomes.items() if found != "refused"} == {}
    assert len(street.portal.websockify.seen) == before
    page = owner.pages[0]
    page.reload()
    expect_inside(page)


def test_the_neighbour_gets_no_hold_of_a_window(owner: BrowserContext, street: Street) -> None:
    """A portal that it opened cannot be read, and cannot be led elsewhere behind the owner's back."""
    page = visit(owner, street)
    with owner.expect_page() as opening:
        page.evaluate("portal => { window.held = window.open(portal); }", street.here)
    opened = opening.value
    expect_inside(opened)
    reading = "() => { try { return String(held.location.href) + held.document.title; } catch { return 'refused'; } }"
    assert page.evaluate("() => held.closed") or page.evaluate(reading) == "refused"
    page.evaluate("there => { try { held.location = there; } catch { } }", street.there)
    page.wait_for_timeout(300)
    assert opened.url.startswith(street.here)
    assert opened.evaluate("window.opener") is None


def test_a_link_of_the_neighbour_leads_novnc_nowhere_else(owner: BrowserContext, street: Street) -> None:
    """noVNC takes host and port from its address: the owner would type into a desktop of the neighbour's. Tried with
    the address that a neighbour knows, led there by a page and by a redirect, and with the owner's own one."""
    evil = f"vnc/vnc.html?host={street.host}&port={street.neighbour.port}&path=evil&autoconnect=1"

    def heard() -> bool:
        return any("Upgrade" in one.headers or one.target.startswith("/evil") for one in street.neighbour.heard)

    def over(told: list[str], before: int) -> bool:
        refused = any("Content Security Policy" in text and f":{street.neighbour.port}/" in text for text in told)
        return refused or heard() or len(street.portal.websockify.seen) > before

    away = f"{street.there}{hostile.AWAY}{quote(street.here, safe='')}/{quote(evil, safe='')}"
    for place in dict.fromkeys((f"{street.here}/{evil}", away, owner.pages[0].url + evil)):
        page, told, before = visit(owner, street), [], len(street.portal.websockify.seen)
        page.on("console", lambda message, told=told: told.append(message.text))
        page.evaluate("place => { location = place; }", place)
        until(page, lambda told=told, before=before: over(told, before), "a websocket, or its refusal")
        page.close()
    assert not heard()


# --- what the neighbour can throw ---


def tossed(name: str, count: int) -> list[str]:
    """Cookies of the session's name and of others, for every path that a neighbour may think of."""
    places = ("/", "/~", "/vnc", "/vnc/", "/status/", "/logs", "/assets/")
    names = (name, f"{name}x", "visomaster_auth_token", "x")
    return [f"{names[n % 4 * (n > 13)]}=evil{n}; Path={places[n % 7]}" for n in range(count)]


def test_tossed_cookies_lock_nobody_out(owner: BrowserContext, street: Street) -> None:
    """Fifty of them, by header and by script: the tab that is open goes on, and so does a new one, on every page."""
    name = owner.cookies()[0]["name"]
    street.neighbour.cookies[:] = tossed(name, 50)
    page = visit(owner, street)
    page.evaluate("all => all.forEach((one) => { document.cookie = one; })", tossed(name, 50))
    mine = owner.pages[0]
    mine.reload()
    expect_inside(mine)
    mine.goto(f"{street.here}/")
    expect_inside(mine)
    mine.get_by_role("link", name="Status").click()
    mine.get_by_role("link", name="Logs").wait_for()
    assert mine.get_by_label("Token").count() == 0
    enter(owner.new_page(), street)


@pytest.mark.parametrize("order", ["ours first", "ours last", "ours between", "in two headers"])
def test_two_cookies_of_one_name(street: Street, order: str) -> None:
    """Whichever a browser sends first: the right one among them lets in, wrong ones alone do not."""
    session = visitor.log_in(street.portal)
    ours, evil = f"{session.name}={session.value}", f"{session.name}=evil"
    lines = {
        "ours first": f"Cookie: {ours}; {evil}\r\n",
        "ours last": f"Cookie: {evil}; {ours}\r\n",
        "ours between": f"Cookie: {evil}; {ours}; {evil}\r\n",
        "in two headers": f"Cookie: {evil}\r\nCookie: {ours}\r\n",
    }
    for line, status in ((lines[order], b"200"), (f"Cookie: {evil}; {evil}\r\n", b"401")):
        head = f"GET {session.prefix}/status/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n"
        assert street.portal.raw(head.encode()).split(b" ")[1] == status
