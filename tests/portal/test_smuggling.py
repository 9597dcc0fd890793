"""No byte of one request is ever read as another: odd requests on every path, each followed by plain ones of others.

What is looked at is the *next* answer, on a new connection and of another visitor: bytes that a backend was left with
are only seen there.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pytest

from tests.portal import odd_requests, rig, visitor
from tests.portal.careless import Careless

LOG_CANARY = b"only-the-owner-reads-this-log"
CHECK_CANARY = b"only-the-owner-reads-this-check"
OPEN = ("/health", "/ready", "/open/a", "/kept/a")
"""Answered without a login; the last two by a local service, with its prefix taken off and left on."""
CLOSED = (
    "/",
    "/status/status.json",
    "/logs/",
    "/logs/plain.log",
    "/assets/portal.css",
    "/vnc/vnc.html",
    "/vnc/websockify",
    "/plain/a",
    "/jupyter/a",
    "/nothing",
)
QUIET, PATIENCE = 0.02, 0.15
"""Seconds without a byte after which an answer is taken for whole, and for which one is waited for."""


@dataclass(kw_only=True)
class Scene:
    """A portal whose backends read no bodies, the three who visit it, and what each is answered on a good day."""

    portal: rig.Portal
    service: Careless
    websockify: Careless
    session: visitor.Session
    promised: dict[tuple[str, str], tuple[object, ...]]

    @property
    def visitors(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        """Where each one's paths begin, and what each sends along."""
        return {
            "stranger": ("", {}),
            "program": ("", {"Authorization": f"Bearer {rig.TOKEN}"}),
            "browser": (self.session.prefix, self.session.headers),
        }

    def plain(self, who: str, path: str) -> tuple[object, ...]:
        """The answer to a plain request: status, kind, and the body without what differs from one to the next."""
        prefix, login = self.visitors[who]
        answer = self.portal.get(prefix * (path not in OPEN) + path, login)
        body = re.sub(rb'nonce="[^"]*"|\d+|true|false', b"0", answer.body)
        return answer.status, answer.headers.get("content-type", ""), body

    def smuggled(self) -> list[bytes]:
        """The heads of hidden requests that a service took for requests."""
        seen = [*self.service.seen, *self.websockify.seen]
        return [one.head for one in seen if odd_requests.CANARY_LOG.encode() in one.head.partition(b"\n")[0]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A portal with services, each of them careless."""
    folder = tmp_path_factory.mktemp("smuggling")
    service = Careless()
    names = {"Plain": True, "Jupyter": True, "Open": False, "Kept": False}
    services = [
        {"name": name, "uri": f"/{name.lower()}/", "port": service.port, "auth": auth, "rewrite": name in "PlainOpen"}
        for name, auth in names.items()
    ]
    config = json.dumps({"version": 2, "port": 11111, "services": services})
    with ExitStack() as stack:
        stack.callback(service.close)
        portal = stack.enter_context(rig.running(folder, rig.wanted(token=rig.TOKEN, portal_config=config)))
        assert portal.prepared.notices == ()
        websockify = in_place_of(portal.websockify)
        stack.callback(websockify.close)
        (folder / "log/plain.log").write_text("plain\n", encoding="utf-8")
        (folder / "log/canary.log").write_bytes(LOG_CANARY)
        portal.checks[0] = rig.Result(name="screen", ok=True, detail=CHECK_CANARY.decode())
        session = visitor.log_in(portal)
        made = Scene(portal=portal, service=service, websockify=websockify, session=session, promised={})
        made.promised.update({(who, path): made.plain(who, path) for who in made.visitors for path in OPEN + CLOSED})
        yield made


def in_place_of(stand_in: rig.StandIn) -> Careless:
    """A careless service on the port of `stand_in`, which is told to go: a last caller wakes it."""
    stand_in.close()
    with socket.socket() as caller:
        caller.connect_ex(("127.0.0.1", stand_in.port))
    deadline = time.monotonic() + 30
    while True:
        try:
            return Careless(stand_in.port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@pytest.fixture(autouse=True)
def fresh(scene: Scene) -> None:
    """Nothing seen yet, and no access log, in which the status page counts refusals, slower from test to test."""
    os.truncate(scene.portal.log, 0)
    scene.service.seen.clear()
    scene.websockify.seen.clear()


def answers(sockets: list[socket.socket]) -> bytes:
    """Everything that comes back on any of `sockets` until all are quiet."""
    begin, heard, waiting, found = time.monotonic(), 0.0, set(sockets), b""
    while waiting and time.monotonic() - begin < 10 * PATIENCE:
        ready, _, _ = select.select(list(waiting), [], [], QUIET if heard else PATIENCE)
        if not ready:
            break
        for one in ready:
            try:
                more = one.recv(65536)
            except ConnectionError:
                more = b""
            heard, found = time.monotonic(), found + more
            if not more:
                waiting.discard(one)
    return found


def sent(port: int, request: bytes) -> socket.socket:
    """A new connection on which `request` was sent, or as much as was wanted."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=2)
    with suppress(ConnectionError):  # refused before all of it was written: then the answer says so
        connection.sendall(request)
    return connection


def exchanged(port: int, request: bytes) -> bytes:
    """What comes back for `request` on a connection of its own."""
    with sent(port, request) as connection:
        return answers([connection])


def each_answer_is_its_own(scene: Scene, who: str) -> None:
    """Ask every path as `who`, each on a new connection."""
    found = {path: scene.plain(who, path) for path in OPEN + CLOSED}
    assert found == {path: scene.promised[who, path] for path in OPEN + CLOSED}


@pytest.mark.parametrize("name", odd_requests.ODD)
def test_the_next_answer_is_its_own(scene: Scene, name: str) -> None:
    """Sent to every path by a stranger, by a program with the token and by a browser with a session; then everybody's
    plain requests, once while the odd ones' connections are open and once when they are gone."""
    for who, (prefix, login) in scene.visitors.items():
        targets = [*OPEN, *(prefix + path for path in CLOSED)]
        odd = [odd_requests.written(name, target, dict(login)) for target in targets]
        connections = [sent(scene.portal.port, request) for request in odd]
        found = b"" if name in odd_requests.LEFT else answers(connections)
        if name not in odd_requests.LEFT:
            each_answer_is_its_own(scene, "stranger")
        for connection in connections:
            connection.close()
        each_answer_is_its_own(scene, "browser" if who == "stranger" else "stranger")
        assert LOG_CANARY not in found
        assert who != "stranger" or CHECK_CANARY not in found
        assert scene.smuggled() == []


@pytest.mark.parametrize("target", ["/status/status.json", odd_requests.CANARY_LOG])
@pytest.mark.parametrize("path", ["/ready", "/open/a"])
def test_a_stranger_never_gets_what_was_asked_in_a_body(scene: Scene, path: str, target: str) -> None:
    """The proven one: a page's request in the body of another, its last header left open for whoever comes next."""
    hidden = f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Swallow: "
    odd = f"GET {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hidden)}\r\n\r\n{hidden}"
    exchanged(scene.portal.port, odd.encode())
    found = [scene.plain("stranger", path) for _ in range(4)]
    assert found == [scene.promised["stranger", path]] * 4


BODIES = {
    "length": b"Content-Length: 5\r\n\r\nhello",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "announced": b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
}
READ_ONLY = ("/health", "/ready", "/", "/status/status.json", "/logs/", "/assets/portal.css", "/vnc/vnc.html")


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", READ_ONLY)
def test_a_page_that_is_only_read_takes_no_body(scene: Scene, path: str, body: str) -> None:
    """Refused as such, and nothing more is read from that connection. Caddy 2.6 does not see a body that has no length:
    it is thrown away, or the pages have hung up before all of it came."""
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rig.TOKEN}\r\n".encode()
    answer = exchanged(scene.portal.port, head + BODIES[body])
    if body == "chunked" and answer.startswith(b"HTTP/1.1 200 "):
        assert len(re.findall(rb"HTTP/1\.1 \d", answer)) == 1
        return
    refused = rb"(400|413|503)" if body == "chunked" else rb"(400|413)"
    assert re.match(rb"HTTP/1\.1 " + refused + rb" ", answer), answer[:60]
    assert b"\r\nconnection: close\r\n" in answer.lower()


@pytest.mark.parametrize("path", [*OPEN, *CLOSED, "/~nobody/", "/~nobody/status/status.json"])
def test_a_stranger_is_hung_up_on(scene: Scene, path: str) -> None:
    """One answer a connection for whoever is not logged in: there is no second request to be misread."""
    with sent(scene.portal.port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) as connection:
        head = answers([connection]).partition(b"\r\n\r\n")[0]
        assert b"connection: close" in head.lower().split(b"\r\n")
        assert connection.recv(1) == b""


def test_the_services_are_asked_once_a_connection(scene: Scene) -> None:
    """A service that misreads a request's end finds nothing behind it."""
    for who in ("stranger", "program", "browser"):
        each_answer_is_its_own(scene, who)
    assert [one for one in (*scene.service.seen, *scene.websockify.seen) if one.place > 1] == []
