"""A whole portal on loopback: real HAProxy and Caddy, the real pages, and stand-ins for what it proxies."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visomaster_host import login as logins
from visomaster_host.choices import Access, ModelsAt, Screen
from visomaster_host.files import Owner
from visomaster_host.portal import apply, front, pages, tls
from visomaster_host.portal.config import offered
from visomaster_host.portal.report import Readiness, Sources
from visomaster_host.portal.sessions import Session, Sessions
from visomaster_host.portal.words import Words
from visomaster_host.runs import End
from visomaster_host.service import Result
from visomaster_host.services import known, services_for
from visomaster_host.workspace.routes import routes
from visomaster_host.workspace.server import Server as FilesServer

from sandbox import tools

SHARE = Path(__file__).resolve().parents[2] / "files/usr/local/share/visomaster/portal"
HAPROXY = str(tools.UNPACKED / "usr/sbin/haproxy")
CADDY = os.environ.get("PORTAL_TEST_CADDY") or str(tools.UNPACKED / "usr/bin/caddy")
ME = Owner(uid=os.getuid(), gid=os.getgid())
TOKEN = "correct-horse-battery-staple"
READY = (Result(name="screen", ok=True, detail="answers"), Result(name="models", ok=True, detail="fetched"))

MACHINE = {
    "up": 11_600.0,
    "disk": {"free": 83_200_000_000, "total": 214_700_000_000},
    "gpus": [{"name": "NVIDIA GeForce RTX 4090", "used": 3 << 30, "total": 24564 << 20}],
    "gpu_silent": False,
}
"""What the machine that it is on tells of itself."""

OFFERED = offered(services_for(Access.PORTAL, ModelsAt.BUILD))
"""What the portal of a host offers when PORTAL_CONFIG says nothing."""


def wanted(**values: Any) -> apply.Wanted:
    """What a host asks of its portal, with the services that are offered otherwise."""
    return apply.Wanted(offered=OFFERED, **values)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def free_port() -> int:
    """A TCP port of loopback that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(
    port: int, target: str, headers: Mapping[str, str] | None = None, method: str = "GET", *, secure: bool = False
) -> Answer:
    """One request to `port` of loopback, sent as it is written; with `secure` over TLS, whatever the certificate."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    if secure:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    try:
        connection.request(method, target, headers=dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        body = b"" if response.status == 101 else response.read()
        return Answer(status=response.status, headers=names, body=body)
    finally:
        connection.close()


class StandIn:
    """A local service that answers every request with what it was sent, and takes every websocket; with a `pair` of
    certificate and key over TLS."""

    def __init__(self, pair: tls.Pair | None = None) -> None:
        self.seen: list[bytes] = []
        self.location: str | None = None
        self.cookie: str | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            self._listener = context.wrap_socket(self._listener, server_side=True)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening: a thread that waits for a connection keeps the port until it is woken."""
        if self._thread.is_alive():
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (more := connection.recv(65536)):
                return
            request += more
        self.seen.append(request)
        if b"upgrade: websocket" in request.lower():
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            return
        said = {"Location": self.location, "Set-Cookie": self.cookie}
        place = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value).encode()
        status = b"302 Found" if self.location else b"200 OK"
        head = b"HTTP/1.1 %s\r\nConnection: close\r\nServer: stand-in\r\n%sContent-Length: %d\r\n\r\n"
        connection.sendall(head % (status, place, len(request)) + request)


@dataclass(kw_only=True)
class Portal:
    """A running portal and what a test wants to know of it."""

    port: int
    tls_port: int
    folder: Path
    wanted: apply.Wanted
    places: apply.Places
    prepared: apply.Prepared
    websockify: StandIn
    sessions: Sessions
    processes: tuple[int, ...]
    checks: list[Result] = field(default_factory=lambda: list(READY))
    ends: list[str] = field(default_factory=list)
    ended: list[End] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)
    _session: Session | None = None

    @property
    def session(self) -> Session:
        """A browser's login, the same each time."""
        if self._session is None:
            self._session = self.sessions.begin()
        return self._session

    @property
    def base(self) -> str:
        """Where the pages of the session are."""
        return self.session.base

    @property
    def cookie(self) -> str:
        """What a logged in browser sends with requests below `base`."""
        return f"{logins.cookie_name(self.wanted.container_label)}={self.session.cookie}"

    @property
    def log(self) -> Path:
        """Caddy's own log, as supervisord would keep it."""
        return self.folder / "log/caddy.log"

    @property
    def front_log(self) -> Path:
        """HAProxy's own log."""
        return self.folder / "haproxy.log"

    @property
    def run(self) -> Path:
        """Caddy's folder under /run."""
        return self.folder / "run"

    def get(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """One request, sent as it is written."""
        return ask(self.port, target, headers, method)

    def inside(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """One request of a program that is logged in."""
        return self.get(target, {"Authorization": f"Bearer {self.wanted.token}", **(headers or {})}, method)

    def browse(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """One request of a logged in browser, to `target` below the session's path."""
        return self.get(self.base + target, {"Cookie": self.cookie, **(headers or {})}, method)

    def over_tls(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """One request to the port that always speaks TLS."""
        return ask(self.tls_port, target, headers, method, secure=True)

    def raw(self, request: bytes) -> bytes:
        """Everything that comes back for these bytes until the end, or two quiet seconds."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            try:
                connection.sendall(request)
                while more := connection.recv(65536):
                    answer += more
            except (TimeoutError, ConnectionError):
                pass
        return answer

    def write_fetch(self, **state: object) -> None:
        """What the fetcher tells of its progress."""
        (self.folder / "fetch.json").write_text(json.dumps(state), encoding="utf-8")


def websocket_headers(**more: str) -> dict[str, str]:
    """The headers of a websocket's opening request."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    return {**headers, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **more}


def sockets(folder: Path) -> Path:
    """Where the unix sockets of the portal below `folder` are: a path of theirs may have some hundred characters."""
    return Path(tempfile.gettempdir(), "vm-" + hashlib.sha256(str(folder).encode()).hexdigest()[:12])


def places(folder: Path, port: int, websockify: int, screen: Screen = Screen.TIGERVNC) -> apply.Places:
    """Everything of a portal below `folder`, which speaks TLS on any other port besides."""
    novnc = folder / "novnc"
    novnc.mkdir(exist_ok=True)
    (novnc / "vnc.html").write_text("<title>noVNC</title><script></script>", encoding="utf-8")
    return apply.Places(
        caddy=ME,
        root=ME,
        run=folder / "run",
        home=folder,
        sessions=folder / "sessions",
        description=folder / "portal.json",
        share=SHARE,
        novnc=Path(os.environ.get("PORTAL_TEST_NOVNC", novnc)),
        stream_web=folder / "selkies_web",
        certificates=folder / "certificates",
        instance=tls.Pair(certificate=folder / "instance.crt", key=folder / "instance.key"),
        program=CADDY,
        port=port,
        tls_port=free_port(),
        screen=screen,
        websockify=f"127.0.0.1:{websockify}",
        listen=f"unix/{sockets(folder) / 'caddy.sock'}",
        tls_listen=f"unix/{sockets(folder) / 'caddy-tls.sock'}",
        stream=f"unix/{sockets(folder) / 'selkies.sock'}",
        files=f"unix/{sockets(folder) / 'files.sock'}",
        pages=f"unix/{sockets(folder) / 'pages.sock'}",
    )


@contextmanager
def running(
    folder: Path, wanted: apply.Wanted, port: int | None = None, screen: Screen = Screen.TIGERVNC
) -> Iterator[Portal]:
    """A portal below `folder` for `wanted`, on `port` or any; everything it started has ended afterwards."""
    with ExitStack() as stack:
        websockify = StandIn()
        shutil.rmtree(sockets(folder), ignore_errors=True)  # of a run that was killed
        sockets(folder).mkdir()
        stack.callback(shutil.rmtree, sockets(folder), ignore_errors=True)
        stack.callback(websockify.close)
        for name in ("log", "supervisor"):
            (folder / name).mkdir(exist_ok=True)
        checks, ends, ended = list(READY), list[str](), list[End]()
        machine = dict(MACHINE)
        sources = Sources(
            readiness=Readiness(lambda: tuple(checks), fresh=0.0),
            fetch=folder / "fetch.json",
            description=folder / "portal.json",
            host=folder / "host.json",
            lease=folder / "lease.json",
            folders={"": folder / "log", "supervisor": folder / "supervisor"},
            ends=lambda: list(ends),
            end_of=lambda name: next(iter(ended), None),
            words=Words(known().values()),
            machine=lambda: dict(machine),
        )
        port = port or free_port()
        where = places(folder, port, websockify.port, screen)
        where.sessions.mkdir(exist_ok=True)
        login = apply.login(wanted)
        sessions = Sessions(where.sessions / login.sessions, login.path)
        site = pages.Site(
            sources=sources,
            templates=SHARE / "templates",
            sessions=sessions,
            cookie=login.cookie,
            stream=sockets(folder) / "selkies.sock",
            lease=sockets(folder) / "lease.sock",
        )
        server = stack.enter_context(pages.Server(site, sockets(folder) / "pages.sock"))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(server.shutdown)
        (folder / "workspace").mkdir(exist_ok=True)
        files = stack.enter_context(FilesServer(routes(folder / "workspace"), sockets(folder) / "files.sock"))
        threading.Thread(target=files.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(files.shutdown)
        prepared = apply.prepare(wanted, where)
        processes = stack.enter_context(serving(prepared, folder, port, where.tls_port))
        yield Portal(
            port=port,
            tls_port=where.tls_port,
            folder=folder,
            wanted=wanted,
            places=where,
            prepared=prepared,
            websockify=websockify,
            sessions=sessions,
            processes=processes,
            checks=checks,
            ends=ends,
            ended=ended,
            machine=machine,
        )


@contextmanager
def serving(prepared: apply.Prepared, folder: Path, port: int, tls_port: int) -> Iterator[tuple[int, ...]]:
    """Caddy behind HAProxy, which listens on both ports, as supervisord would run them; gives their process numbers."""
    (folder / "log").mkdir(exist_ok=True)
    sockets(folder).mkdir(exist_ok=True)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, sockets(folder), ignore_errors=True)
        plain, secure = (stack.enter_context(front.listen(one, ME, "127.0.0.1")).fileno() for one in (port, tls_port))
        caddy = stack.enter_context(_program(prepared.command, prepared.environment, folder / "log/caddy.log"))
        variables = front.variables(
            (plain, secure), (sockets(folder) / "caddy.sock", sockets(folder) / "caddy-tls.sock")
        )
        command = front.command(HAPROXY, SHARE.parent / "front/haproxy.cfg")
        haproxy = stack.enter_context(_program(command, variables, folder / "haproxy.log", plain, secure))
        wait_for_answer(port, (caddy, haproxy))
        yield caddy.pid, haproxy.pid


@contextmanager
def _program(
    command: tuple[str, ...], variables: Mapping[str, str], log: Path, *descriptors: int
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=variables, stdout=output, stderr=output, stdin=subprocess.DEVNULL, pass_fds=descriptors
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Return when `condition` holds. Raises `AssertionError` when time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Return when `port` takes connections. Raises `RuntimeError` when `process` ends or time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"ended with status {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {seconds} s")


def wait_for_answer(port: int, processes: tuple[subprocess.Popen[bytes], ...], seconds: float = 30) -> None:
    """Return when `port` answers, in the clear or with TLS's complaint. Raises `RuntimeError` when one of `processes`
    ends or time is over.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended with status {process.returncode} before it answered")
        with socket.create_connection(("127.0.0.1", port), timeout=2) as probe:
            probe.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            try:
                if probe.recv(4) == b"HTTP":
                    return
            except OSError:
                pass
        time.sleep(0.02)
    raise RuntimeError(f"nothing answers on port {port} after {seconds} s")
