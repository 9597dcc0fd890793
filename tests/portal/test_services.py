"""PORTAL_CONFIG on a running portal: local services proxied, and a bad text that changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from visomaster_host.portal import render, tls
from visomaster_host.portal.apply import prepare
from visomaster_host.portal.config import PortalConfig

from tests.portal import rig

LABEL = "C.7"
SESSION_FREE = {"Accept": "*/*"}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[rig.StandIn]:
    """A local service."""
    service = rig.StandIn()
    yield service
    service.close()


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory, stand_in: rig.StandIn) -> Iterator[rig.Portal]:
    """A portal with the same local service offered in three ways."""
    services = [
        {"name": "VNC", "uri": "/vnc/", "proto": "http", "rewrite": True, "auth": True},
        {"name": "Plain", "uri": "/plain/", "port": stand_in.port},
        {"name": "Jupyter", "uri": "/jupyter/", "port": stand_in.port, "rewrite": False},
        {"name": "Lab", "uri": "/lab/", "port": stand_in.port, "rewrite": "base"},
        {"name": "Open", "uri": "/open/", "port": stand_in.port, "auth": False},
    ]
    text = json.dumps({"version": 2, "port": 11111, "services": services})
    wanted = rig.wanted(token=rig.TOKEN, container_label=LABEL, portal_config=text)
    with rig.running(tmp_path_factory.mktemp("services"), wanted) as portal:
        assert portal.prepared.notices == ()
        yield portal


@pytest.mark.parametrize(
    ("target", "seen"),
    [("/plain/a/b?c=d", "/a/b?c=d"), ("/jupyter/lab?x=1", "/jupyter/lab?x=1"), ("/open/a%20b", "/a%20b")],
)
def test_rewrite(extended: rig.Portal, target: str, seen: str) -> None:
    """The prefix is taken off, or left on for a service that knows it."""
    answer = extended.inside(target)
    assert answer.status == 200
    assert answer.body.splitlines()[0] == f"GET {seen} HTTP/1.1".encode()


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("type=file&token=T", "type=file&"),
        ("token=T&a=%2Fb&c=d+e", "&a=%2Fb&c=d+e"),
        ("token=T", ""),
        ("a=1&%74oken=T", ""),
    ],
)
def test_only_our_token_is_taken_out_of_a_query(extended: rig.Portal, query: str, seen: str) -> None:
    """A program that asks a service with our token in the query still asks it what it wants to know; where the token
    cannot be told from the rest, none of the query goes on."""
    answer = extended.get(f"/plain/api?{query.replace('T', rig.TOKEN)}", SESSION_FREE)
    assert answer.status == 200
    assert answer.body.splitlines()[0].removesuffix(b" HTTP/1.1") == f"GET /api{'?' if seen else ''}{seen}".encode()
    assert rig.TOKEN.encode() not in answer.body


def test_a_browser_with_the_token_is_redirected_from_an_open_service_too(extended: rig.Portal) -> None:
    """It would hand the token on in the Referer of everything the page asks for."""
    answer = extended.get(f"/open/?token={rig.TOKEN}", {"Accept": "text/html"})
    assert answer.status == 302
    assert re.fullmatch("/~[A-Za-z0-9_-]{22}/open/", answer.headers["location"])


def test_a_service_that_speaks_tls(folder: Path) -> None:
    """With a certificate of its own making, as a local service has."""
    pair = tls.Pair(certificate=folder / "own.crt", key=folder / "own.key")
    tls.make_self_signed(pair)
    service = rig.StandIn(pair)
    services = [{"name": "Secure", "uri": "/secure/", "port": service.port, "proto": "https"}]
    text = json.dumps({"version": 2, "services": services})
    try:
        with rig.running(folder, rig.wanted(token=rig.TOKEN, portal_config=text)) as portal:
            service.cookie = "a=1; Path=/; Domain=127.0.0.1; Secure"
            answer = portal.inside("/secure/a?b=c")
            assert (answer.status, portal.prepared.notices) == (200, ())
            assert answer.body.startswith(b"GET /a?b=c HTTP/1.1\r\n")
            assert answer.headers["set-cookie"] == "a=1; Path=/secure/"
    finally:
        service.close()


def test_auth(extended: rig.Portal) -> None:
    """A service asks for the token unless it was said not to; the rest of the portal always does."""
    found = {path: extended.get(path).status for path in ("/plain/", "/jupyter/", "/open/", "/", "/vnc/vnc.html")}
    assert found == {"/plain/": 401, "/jupyter/": 401, "/open/": 200, "/": 401, "/vnc/vnc.html": 401}


@pytest.mark.parametrize("prefix", ["plain", "jupyter", "open"])
def test_a_service_never_sees_our_login(extended: rig.Portal, prefix: str) -> None:
    """Neither the cookie nor the token in any form; its own cookies and its own login reach it."""
    cookie = f"mine=1; {extended.cookie}; too=2"
    answers = [
        extended.get(f"/{prefix}/?token={rig.TOKEN}", {"Cookie": cookie}),
        extended.inside(f"/{prefix}/", {"Cookie": cookie, "Referer": f"http://127.0.0.1{extended.base}/vnc/"}),
        extended.browse(f"/{prefix}/", {"Cookie": cookie, "Authorization": "token of-jupyter"}),
    ]
    for answer in answers:
        assert answer.status == 200
        assert rig.TOKEN.encode() not in answer.body
        assert extended.session.cookie.encode() not in answer.body
        assert extended.session.path.encode() not in answer.body
        assert b"mine=1" in answer.body
        assert b"too=2" in answer.body
    assert b"token of-jupyter" in answers[-1].body


def test_a_service_meets_its_own_host_and_origin(extended: rig.Portal, stand_in: rig.StandIn) -> None:
    """Jupyter answers only for the host it is asked for, and takes websockets only from its own pages."""
    ours = f"127.0.0.1:{extended.port}"
    headers = rig.websocket_headers(Origin=f"http://{ours}")
    assert extended.browse("/jupyter/ws", headers).status == 101
    seen = stand_in.seen[-1].decode()
    assert f"Host: 127.0.0.1:{stand_in.port}\r\n" in seen
    assert f"Origin: http://127.0.0.1:{stand_in.port}\r\n" in seen
    assert extended.get("/jupyter/ws", rig.websocket_headers(Origin="http://evil")).status == 403
    assert b"Origin:" not in extended.inside("/jupyter/").body


OUTSIDE = {
    "X-Forwarded-Host": "desk.example:8443",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/x",
    "X-Real-IP": "203.0.113.9",
    "X-Original-Host": "desk.example:8443",
    "Forwarded": 'for=203.0.113.9;host="desk.example:8443";proto=https',
}


@pytest.mark.parametrize("prefix", ["plain", "jupyter", "lab", "open"])
@pytest.mark.parametrize("here", ["http://127.0.0.1:PORT", "https://desk.example:8443", "https://desk.example"])
def test_a_service_that_checks_referer_meets_its_own_host(
    extended: rig.Portal, stand_in: rig.StandIn, prefix: str, here: str
) -> None:
    """Jupyter's /files/ are for its own pages: whatever proxy is in between, Referer and Origin name the host that it
    was asked by, and nothing of the outside contradicts them."""
    here = here.replace("PORT", str(extended.port))
    headers = {**OUTSIDE, "Origin": here, "Referer": f"{here}{extended.base}/{prefix}/tree?x=1"}
    answer = extended.browse(f"/{prefix}/files/x", headers)
    assert answer.status == 200
    seen = answer.body.decode()
    its_own = {"plain": "", "open": "", "jupyter": "/jupyter", "lab": f"{extended.base}/lab"}[prefix]
    upstream = f"http://127.0.0.1:{stand_in.port}"
    assert f"Host: 127.0.0.1:{stand_in.port}\r\n" in seen
    assert f"Referer: {upstream}{its_own}/tree?x=1\r\n" in seen
    assert f"Origin: {upstream}\r\n" in seen
    assert [word for word in ("Forwarded", "desk.example", "203.0.113.9", "https") if word in seen] == []


@pytest.mark.parametrize(
    ("cookie", "seen"),
    [
        ("a=1; Path=/", "a=1; Path=BASE/plain/"),
        ("a=1; Path=/x; HttpOnly", "a=1; Path=BASE/plain/x; HttpOnly"),
        ("a=1; Domain=127.0.0.1; Path=/", "a=1; Path=BASE/plain/"),
        ("a=1; Path=/; Secure; Partitioned; SameSite=None", "a=1; Path=BASE/plain/; SameSite=Lax"),
        ("secure=Secure; path=/;secure;httponly", "secure=Secure; path=BASE/plain/;httponly"),
    ],
)
def test_a_services_cookie_is_taken_by_a_browser(
    extended: rig.Portal, stand_in: rig.StandIn, cookie: str, seen: str
) -> None:
    """For the host and the path that the browser knows, and without TLS not for TLS alone."""
    stand_in.cookie = cookie
    try:
        found = extended.browse("/plain/").headers["set-cookie"]
    finally:
        stand_in.cookie = None
    assert found == seen.replace("BASE", extended.base)


@pytest.mark.parametrize(
    ("prefix", "location", "seen"),
    [
        ("plain", "/lab", "/plain/lab"),
        ("plain", "/", "/plain/"),
        ("plain", "http://127.0.0.1:PORT/lab?x=1", "/plain/lab?x=1"),
        ("plain", "http://127.0.0.1:PORT", "/plain/"),
        ("plain", "//127.0.0.1:PORT/lab", "/plain/lab"),
        ("plain", "https://localhost:PORT/lab", "/plain/lab"),
        ("plain", "http://127.0.0.1:1/lab", "http://127.0.0.1:1/lab"),
        ("plain", "relative", "relative"),
        ("plain", "https://elsewhere.example/x", "https://elsewhere.example/x"),
        ("plain", "//elsewhere.example/x", "//elsewhere.example/x"),
        ("jupyter", "/jupyter/lab", "/jupyter/lab"),
        ("jupyter", "http://127.0.0.1:PORT/jupyter/lab", "/jupyter/lab"),
        ("jupyter", "//localhost:PORT/jupyter/lab", "/jupyter/lab"),
    ],
)
def test_redirects_of_a_service_stay_under_its_prefix(
    extended: rig.Portal, stand_in: rig.StandIn, prefix: str, location: str, seen: str
) -> None:
    """What the service calls /lab is /plain/lab for a visitor."""
    stand_in.location = location.replace("PORT", str(stand_in.port))
    try:
        assert extended.inside(f"/{prefix}/").headers["location"] == seen
        in_session = extended.base + seen if re.match("/[^/]", seen) else seen
        assert extended.browse(f"/{prefix}/").headers["location"] == in_session
    finally:
        stand_in.location = None


def test_a_service_that_is_not_there(folder: Path) -> None:
    """Its page says so; the portal stays."""
    text = f"localhost:1:{rig.free_port()}:/:Gone"
    with rig.running(folder, rig.wanted(token=rig.TOKEN, portal_config=text)) as portal:
        assert portal.inside("/gone/").status == 503
        assert portal.inside("/gone").headers["location"] == "gone/"
        assert portal.inside("/").status == 200


GUIDE = (
    '{"version":2,"port":11111,"services":[{"name":"VNC","uri":"/vnc/","proto":"http","rewrite":true,"auth":true},'
    '{"name":"AppLogs","uri":"/logs/visomaster_app.log","auth":true},{"name":"VNCLogs","uri":"/logs/x11vnc.log","auth":true},'
    '{"name":"CaddyLogs","uri":"/logs/caddy.log","auth":true},{"name":"LogBrowse","uri":"/logs/","auth":true}]}'
)
VAST = (
    "localhost:1111:11111:/:Instance Portal|localhost:8080:18080:/:Jupyter"
    "|localhost:8080:8080:/terminals/1:Jupyter Terminal"
    "|localhost:8384:18384:/:Syncthing|localhost:6006:16006:/:Tensorboard"
)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        (GUIDE, ["./vnc/", "./logs/visomaster_app.log", "./logs/x11vnc.log", "./logs/caddy.log", "./logs/"]),
        (VAST, ["./", "./jupyter/", "./syncthing/", "./tensorboard/"]),
    ],
)
def test_both_forms(folder: Path, text: str, links: list[str]) -> None:
    """The guide's text and the one of Vast's own templates, each with its services on the index page."""
    port = rig.free_port()
    own = text.replace(":11111:", f":{port}:")  # a portal knows itself by the port it listens on
    with rig.running(folder, rig.wanted(token=rig.TOKEN, portal_config=own), port) as portal:
        page = portal.inside("/").body.decode()
        assert [link for link in links if f'href="{link}"' not in page] == []
        assert portal.prepared.notices == ()


BAD = (
    "localhost:8080:18080:/:Jup{yter}",
    'localhost:8080:18080:/"\n}\nrespond "hi:x',
    '{"version":2,"services":[{"name":"x","uri":"/x/ {\\n","port":8080}]}',
    "evil.example:80:8080:/:x",
)


@pytest.mark.parametrize("text", BAD)
def test_a_bad_text_at_start_leaves_the_default_portal(folder: Path, text: str) -> None:
    """It serves, and says on its pages which field was wrong."""
    with rig.running(folder, rig.wanted(token=rig.TOKEN, portal_config=text)) as portal:
        (notice,) = portal.prepared.notices
        assert notice.startswith("PORTAL_CONFIG")
        assert "\n" not in notice
        report = json.loads(portal.inside("/status/status.json").body)
        assert report["notices"] == [notice]
        assert report["services"][0]["name"] == "VNC"
        assert b'role="alert"' in portal.inside("/").body


def test_a_bad_text_later_changes_nothing(folder: Path) -> None:
    """The services of the last good text stay, also when Caddy is started anew."""
    good, bad = "localhost:8080:18080:/:Jupyter", "localhost:0:0:/:Jupyter"
    places = rig.places(folder, 1, 1)
    prepare(rig.wanted(token=rig.TOKEN, portal_config=good), places)
    before = (places.run / "services.caddy").read_bytes()
    assert b"18080" in before
    again = prepare(rig.wanted(token=rig.TOKEN, portal_config=bad), places)
    assert "external port" in again.notices[0]
    assert (places.run / "services.caddy").read_bytes() == before
    described = json.loads(places.description.read_text())
    assert [service["name"] for service in described["services"]] == ["Jupyter"]


def test_what_caddy_refuses_replaces_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should our own rendering ever be wrong: Caddy is asked first, and what it says is on the page."""
    rendered = render.services_file

    def wrong(services: PortalConfig, cookie: str) -> str:
        return rendered(services, cookie) + ("" if services == rig.OFFERED else "no such directive {\n")

    monkeypatch.setattr(render, "services_file", wrong)
    text = "localhost:8080:18080:/:Jupyter"
    with rig.running(folder, rig.wanted(token=rig.TOKEN, portal_config=text)) as portal:
        (notice,) = portal.prepared.notices
        assert notice.startswith("caddy validate refused the portal's configuration: ")
        assert notice.endswith("; the services stay as they were")
        report = json.loads(portal.inside("/status/status.json").body)
        assert [service["name"] for service in report["services"]][:1] == ["VNC"]


def test_who_may_read_what(folder: Path) -> None:
    """Caddy's folder is its own; nothing in it or beside it holds the token."""
    places = rig.places(folder, 1, 1)
    prepare(rig.wanted(token=rig.TOKEN), places)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (places.run, *places.run.iterdir())}
    assert modes["run"] == 0o750
    assert modes["services.caddy"] == 0o400
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in written if rig.TOKEN.encode() in path.read_bytes()]


def test_a_service_that_knows_the_base(extended: rig.Portal, stand_in: rig.StandIn) -> None:
    """Whatever it names, pages and websockets, is in the session; a program finds it as well."""
    ours = f"http://127.0.0.1:{extended.port}"
    page = extended.browse("/lab/tree?x=1", {"Referer": f"{ours}{extended.base}/lab/"})
    assert page.body.startswith(f"GET {extended.base}/lab/tree?x=1 HTTP/1.1\r\n".encode())
    assert f"Referer: http://127.0.0.1:{stand_in.port}{extended.base}/lab/\r\n".encode() in page.body
    assert extended.session.cookie.encode() not in page.body
    assert extended.browse("/lab/api/ws", rig.websocket_headers(Origin=ours)).status == 101
    assert extended.inside("/lab/tree").body.startswith(f"GET {extended.base}/lab/tree HTTP/1.1\r\n".encode())
    assert extended.get(f"{extended.base}/lab/tree").status == 401
    for location in (f"{extended.base}/lab/x", f"http://127.0.0.1:{stand_in.port}{extended.base}/lab/x"):
        stand_in.location = location
        try:
            assert extended.browse("/lab/").headers["location"] == f"{extended.base}/lab/x"
        finally:
            stand_in.location = None


def test_a_page_that_names_its_place_from_the_root_leads_into_the_session(extended: rig.Portal) -> None:
    """As pages do whose service knows its prefix alone; only from within a session, and only for such a service."""
    referer = {"Referer": f"http://127.0.0.1:{extended.port}{extended.base}/jupyter/lab"}
    answer = extended.get("/jupyter/static/x.js?v=1", referer)
    assert (answer.status, answer.headers["location"]) == (307, f"{extended.base}/jupyter/static/x.js?v=1")
    assert extended.get("/jupyter/static/x.js").status == 401
    assert extended.get("/plain/static/x.js", referer).status == 401
    assert extended.get("/status/status.json", referer).status == 401
