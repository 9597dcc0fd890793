"""Who gets in: every way to log in, on every kind of page, with the token right, wrong and absent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from visomaster_host.portal import apply
from visomaster_host.problems import Problem

from tests.portal import rig

RIGHT, WRONG = rig.TOKEN, "correct-horse-battery-stapler"
PAGES = {
    "index": "/",
    "desktop": "/vnc/vnc.html",
    "websocket": "/vnc/websockify",
    "log": "/logs/visomaster_app.log",
    "log listing": "/logs/",
    "status": "/status/",
    "status as JSON": "/status/status.json",
    "asset": "/assets/portal.css",
    "no such page": "/nothing",
}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def attempts(portal: rig.Portal) -> dict[str, tuple[str, Mapping[str, str], bool]]:
    """Each way to ask: the query, the headers, and whether it must be let in."""
    session = portal.session.cookie
    return {
        "nothing": ("", {}, False),
        "query right": (f"?token={RIGHT}", {}, True),
        "query wrong": (f"?token={WRONG}", {}, False),
        "query empty": ("?token=", {}, False),
        "query twice, wrong first": (f"?token={WRONG}&token={RIGHT}", {}, False),
        "query of another name": (f"?Token={RIGHT}", {}, False),
        "cookie at a plain path": ("", {"Cookie": f"C.12345_auth_token={session}"}, False),
        "bearer right": ("", {"Authorization": f"Bearer {RIGHT}"}, True),
        "bearer wrong": ("", {"Authorization": f"Bearer {WRONG}"}, False),
        "bearer empty": ("", {"Authorization": "Bearer "}, False),
        "bearer star": ("", {"Authorization": "Bearer *"}, False),
        "bearer of a session": ("", {"Authorization": f"Bearer {session}"}, False),
        "basic right": ("", basic("vastai", RIGHT), True),
        "basic wrong user": ("", basic("root", RIGHT), False),
        "basic wrong password": ("", basic("vastai", WRONG), False),
        "basic no password": ("", basic("vastai", ""), False),
    }


def cookies(portal: rig.Portal) -> dict[str, tuple[str, bool]]:
    """Each Cookie header below a session's path, and whether it must be let in."""
    name, session = "C.12345_auth_token", portal.session.cookie
    bad = "x" * len(session)
    return {
        "right": (f"{name}={session}", True),
        "right among others": (f"a=b; {name}={session}; c=d", True),
        "right behind a bad one": (f"{name}={bad}; {name}={session}", True),
        "right before a bad one": (f"{name}={session}; {name}={bad}", True),
        "right behind three bad ones": (f"{name}={bad}; {name}={bad}; {name}={bad}; {name}={session}", True),
        "right behind an empty one": (f"{name}=; z=1; {name}={session}", True),
        "right by its name over TLS": (f"__Secure-{name}={session}", True),
        "right behind a bad one over TLS": (f"__Secure-{name}={bad}; {name}={session}", True),
        "with another beginning": (f"__Host-{name}={session}", False),
        "wrong": (f"{name}={session[:-1]}{'x' if session[-1] != 'x' else 'y'}", False),
        "longer": (f"{name}={session}x", False),
        "empty": (f"{name}=", False),
        "star": (f"{name}=*", False),
        "as many stars": (f"{name}={'*' * len(session)}", False),
        "question marks": (f"{name}={'?' * len(session)}", False),
        "a path": (f"{name}=../{portal.session.path}.{session}", False),
        "the token": (f"{name}={RIGHT}", False),
        "of another instance": (f"C.54321_auth_token={session}", False),
        "with the fixed name": (f"visomaster_auth_token={session}", False),
        "name with something before it": (f"x{name}={session}", False),
        "name with another dot": (f"Cx12345_auth_token={session}", False),
        "none": ("a=b", False),
    }


@pytest.mark.parametrize("page", PAGES)
def test_login_matrix(portal: rig.Portal, page: str) -> None:
    """401 without the token in any of its forms, and what was asked for with it; websockets too."""
    inside = {"websocket": 101, "no such page": 404}.get(page, 200)
    headers = rig.websocket_headers() if page == "websocket" else {}
    found, promised = {}, {}
    for name, (query, login, good) in attempts(portal).items():
        found[name] = portal.get(PAGES[page] + query, {**headers, **login}).status
        promised[name] = inside if good else 401
    assert found == promised


@pytest.mark.parametrize("page", PAGES)
def test_session_matrix(portal: rig.Portal, page: str) -> None:
    """The path and the cookie of one session together, however many other cookies come along."""
    inside = {"websocket": 101, "no such page": 404}.get(page, 200)
    headers = rig.websocket_headers() if page == "websocket" else {}
    found, promised = {}, {}
    for name, (cookie, good) in cookies(portal).items():
        found[name] = portal.get(portal.base + PAGES[page], {**headers, "Cookie": cookie}).status
        promised[name] = inside if good else 401
    for base in ("/~", "/~x", portal.base[:-1], portal.base + "x", portal.base.upper(), portal.base.replace("~", "")):
        found[base] = portal.get(base + PAGES[page], {**headers, "Cookie": portal.cookie}).status
        promised[base] = 401
    assert found == promised


def test_a_session_is_ended_by_its_owner(portal: rig.Portal) -> None:
    """Everywhere and at once: whoever has copied the cookie is out, too. Other sessions go on."""
    session = portal.sessions.begin()
    headers = {"Cookie": f"C.12345_auth_token={session.cookie}"}
    assert portal.get(f"{session.base}/", headers).status == 200
    for refused, status in (
        (portal.get(f"{session.base}/logout", headers), 404),
        (portal.get(f"{session.base}/logout", {**headers, "Origin": "http://127.0.0.1:1"}, "POST"), 403),
        (portal.get(f"{session.base}/logout", {}, "POST"), 401),
        (portal.get(f"/~{'o' * 22}/logout", headers, "POST"), 401),
        (portal.get("/logout", headers, "POST"), 401),
        (portal.get(f"{session.base}/session/end", headers, "POST"), 404),
        (portal.get(f"{session.base}/session/new", headers), 404),
    ):
        assert refused.status == status
    answer = portal.get(f"{session.base}/logout", headers, "POST")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert answer.headers["set-cookie"].startswith(f"C.12345_auth_token=; Path={session.base}/; Max-Age=0;")
    assert portal.get(f"{session.base}/", headers).status == 401
    assert portal.browse("/").status == 200


def test_a_program_ends_no_session(portal: rig.Portal) -> None:
    """What a request says of itself is not believed."""
    answer = portal.inside("/session/end", {"X-Portal-Session": portal.session.path})
    assert answer.status == 404
    assert portal.browse("/", {"X-Portal-Session": "x" * 22, "X-Portal-Path": "//evil"}).status == 200


def test_nothing_of_a_page_is_in_a_refusal(portal: rig.Portal) -> None:
    """A 401 is the same few bytes whatever was asked for."""
    bodies = {portal.get(path).body for path in PAGES.values()}
    assert bodies == {b"401 Unauthorized"}


@pytest.mark.parametrize(
    "browser", [{"Accept": "text/html,*/*;q=0.8"}, {"Accept": "*/*", "Sec-Fetch-Dest": "document"}]
)
@pytest.mark.parametrize("path", ["/", "/vnc/", "/logs/visomaster_app.log"])
def test_a_browser_gets_the_cookie_and_an_address_without_the_token(
    portal: rig.Portal, browser: dict[str, str], path: str
) -> None:
    """The token stays neither in the address bar nor in the history."""
    answer = portal.get(f"{path}?token={RIGHT}&x=1", browser)
    base, _, rest = answer.headers["location"].partition("/")[2].partition("/")
    assert (answer.status, f"/{rest}") == (302, path)
    assert re.fullmatch(r"~[A-Za-z0-9_-]{22}", base)
    cookie, _, attributes = answer.headers["set-cookie"].partition("; ")
    assert attributes == f"Path=/{base}/; Max-Age=604800; HttpOnly; SameSite=Lax"
    assert re.fullmatch(r"C\.12345_auth_token=[A-Za-z0-9_-]{43}", cookie)
    assert RIGHT not in cookie
    assert portal.get(f"/{base}{path}", {**browser, "Cookie": cookie}).status in (200, 302)


def test_the_login_page_begins_a_session(portal: rig.Portal) -> None:
    """Its script sends the token in a header: it is in no address, and so in no history."""
    answer = portal.get("/login", {"Authorization": f"Bearer {RIGHT}"}, "POST")
    base = json.loads(answer.body)["base"]
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert portal.get(f"{base}/", {"Cookie": cookie}).status == 200
    foreign = {"Authorization": f"Bearer {RIGHT}", "Origin": "http://127.0.0.1:1"}
    assert portal.get("/login", foreign, "POST").status == 403
    assert portal.get("/login", {"Authorization": f"Bearer {WRONG}"}, "POST").status == 401


@pytest.mark.parametrize(("path", "method"), [("/", "GET"), ("/status/status.json", "GET"), ("/login", "POST")])
def test_a_browser_never_asks_for_a_password_by_itself(portal: rig.Portal, path: str, method: str) -> None:
    """Neither on our pages when the token was changed, nor on another port's that asks for ours. Programs are asked."""
    browser = portal.get(path, {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}, method)
    assert (browser.status, browser.headers["www-authenticate"]) == (401, 'Bearer realm="portal"')
    assert portal.get(path, {"User-Agent": "Wget/1.21"}, method).headers["www-authenticate"].startswith("Basic")


def test_an_ended_sessions_page_leads_into_a_new_one(portal: rig.Portal) -> None:
    """A bookmark of a page in a session that is over: after the login it is the same page."""
    answer = portal.get(f"/~{'o' * 22}/logs/?token={RIGHT}", {"Accept": "text/html"})
    assert re.fullmatch(r"/~[A-Za-z0-9_-]{22}/logs/", answer.headers["location"])
    assert "o" * 22 not in answer.headers["location"]


def test_the_probe_of_the_open_button_is_answered_directly(portal: rig.Portal) -> None:
    """Vast's console asks without a browser's headers first, and a redirect made its button give up."""
    answer = portal.get(f"/?token={RIGHT}", {"Accept": "application/json, text/plain, */*"})
    assert answer.status == 200
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["//evil.example", "/%5c%5cevil.example", "/%0d%0aSet-Cookie:x=y", "/a%3fb", "/%2e%2e/x"]
)
def test_the_redirect_leads_nowhere_else(portal: rig.Portal, path: str) -> None:
    """The path comes back only when it is plain; anything else ends on the index."""
    answer = portal.get(f"{path}?token={RIGHT}", {"Accept": "text/html"})
    assert answer.status == 302
    assert re.fullmatch(r"/~[A-Za-z0-9_-]{22}/", answer.headers["location"])


def test_a_browser_is_shown_where_to_type_the_token(portal: rig.Portal) -> None:
    """A page with a form, not the browser's own question for a name and a password."""
    answer = portal.get("/vnc/", {"Accept": "text/html"})
    assert answer.status == 401
    assert b'name="token"' in answer.body
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"].startswith("text/html")


def test_health_is_open_and_says_nothing(portal: rig.Portal) -> None:
    """/health answers for the process alone."""
    assert (portal.get("/health").status, portal.get("/health").body) == (200, b"ok")
    assert portal.get("/health", method="POST").status == 405


def test_ready_is_open_and_without_details(portal: rig.Portal) -> None:
    """/ready follows the checks; which one failed is for /status/."""
    assert (portal.get("/ready").status, portal.get("/ready").body) == (200, b"ready\n")
    good = list(portal.checks)
    portal.checks[0] = rig.Result(name="screen", ok=False, detail="no answer")
    try:
        answer = portal.get("/ready")
        assert (answer.status, answer.body) == (503, b"not ready\n")
        assert b"no answer" in portal.inside("/status/status.json").body
    finally:
        portal.checks[:] = good


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1", "null", "http://127.0.0.1.evil"],
)
def test_a_websocket_of_another_page_is_refused(portal: rig.Portal, origin: str) -> None:
    """Other tenants' pages share our address, and with it our cookie."""
    assert portal.browse("/vnc/websockify", rig.websocket_headers(Origin=origin)).status == 403
    assert portal.browse("/", {"Origin": origin}, method="POST").status == 403


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_websocket_of_our_own_page_is_taken(portal: rig.Portal, scheme: str) -> None:
    """Behind somebody else's TLS the page is https and we are not."""
    headers = rig.websocket_headers(Origin=f"{scheme}://127.0.0.1:{portal.port}")
    assert portal.browse("/vnc/websockify", headers).status == 101


def test_websockify_sees_no_login(portal: rig.Portal) -> None:
    """It logs the path of its requests."""
    headers = rig.websocket_headers(Authorization=f"Bearer {RIGHT}", Referer=f"http://127.0.0.1{portal.base}/vnc/")
    assert portal.browse(f"/vnc/websockify?token={RIGHT}", headers).status == 101
    seen = portal.websockify.seen[-1].decode()
    assert seen.startswith("GET /websockify HTTP/1.1")
    for secret in (RIGHT, portal.session.cookie, portal.session.path):
        assert secret not in seen


def test_who_answers_for_websockify_shows_no_page(portal: rig.Portal) -> None:
    """It is a process of the program's user: without a websocket it is not even asked."""
    asked = len(portal.websockify.seen)
    assert portal.browse("/vnc/websockify").status == 400
    assert len(portal.websockify.seen) == asked


TOKENS = {
    "quotes": "a\"b'c`d\"e'f`g\"h'i",
    "percent": "100%25%zz%00%41%%%%%",
    "cel": '" || "1" == "1" || "',
    "placeholder": "{env.HOME}{http.request.host}{$HOME}",
    "stars": "****************",
    "query characters": "a&token=b?c#d;e=f+g",
    "commas and backslashes": r"a,b\c\\d\"e\n\x41,,,",
    "spaces inside": "sixteen or so words",
    "unicode": "Zürich-日本-токен-xyz",
    "longest": "x" * 256,
}


@pytest.mark.parametrize("name", TOKENS)
def test_any_printable_token(folder: Path, name: str) -> None:
    """The token is a value everywhere and never a part of the configuration."""
    token = TOKENS[name]
    with rig.running(folder, rig.wanted(token=token)) as portal:
        bearer = f"Bearer {token}".encode().decode("latin-1")  # what reaches the wire is UTF-8
        good = {
            "query": portal.get(f"/logs/?token={quote(token, safe='')}").status,
            "bearer": portal.get("/logs/", {"Authorization": bearer}).status,
            "basic": portal.get("/logs/", basic("vastai", token)).status,
            "cookie": portal.browse("/logs/").status,
        }
        assert good == dict.fromkeys(good, 200)
        bad = {
            "none": portal.get("/logs/").status,
            "query": portal.get(f"/logs/?token={quote(token[:-1], safe='')}").status,
            "longer": portal.get(f"/logs/?token={quote(token + 'x', safe='')}").status,
            "star": portal.get("/logs/?token=*", {"Authorization": "Bearer *"}).status,
            "bearer": portal.get("/logs/", {"Authorization": bearer + "x"}).status,
        }
        assert bad == dict.fromkeys(bad, 401)
        assert token not in "".join(path.read_text() for path in portal.run.iterdir() if path.is_file())


@pytest.mark.parametrize(
    "token", ["", "1", "fifteen-letters", " leading-space-token", "line\nbreak-in-token", "x" * 257]
)
def test_a_token_that_is_no_secret_leaves_the_portal_closed(folder: Path, token: str) -> None:
    """Caddy is not even started, and the reason does not repeat the token."""
    with pytest.raises(Problem, match="token: expected") as refusal:
        apply.prepare(rig.wanted(token=token), rig.places(folder, 1, 1))
    assert "\n" not in str(refusal.value)
    assert len(token) < 2 or token not in str(refusal.value)


def test_caddy_without_its_environment_lets_nobody_in(folder: Path) -> None:
    """The same Caddyfile, with nothing told to it: every door is shut."""
    port = rig.free_port()
    places = rig.places(folder, port, 1)
    prepared = apply.prepare(rig.wanted(token=rig.TOKEN), places)
    kept = {name: value for name, value in prepared.environment.items() if name not in SECRETS}
    bare = apply.Prepared(command=prepared.command, environment=kept, notices=())
    with rig.serving(bare, folder, port, places.tls_port):
        for target, headers in [
            ("/", {}),
            ("/?token=", {}),
            ("/", {"Cookie": "visomaster_auth_token="}),
            (f"/~{'x' * 22}/", {"Cookie": f"visomaster_auth_token={'x' * 43}"}),
            ("/", {"Authorization": "Bearer "}),
            ("/", {"Authorization": ""}),
        ]:
            assert rig.ask(port, target, headers).status == 401
        assert rig.ask(port, "/login", {"Authorization": "Bearer "}, "POST").status == 401


SECRETS = ("PORTAL_TOKEN", "PORTAL_BASIC", "PORTAL_SESSIONS")
