"""`visomaster-portal`: the portal's own pages, on a unix socket that only Caddy can open.

It runs as a user of its own, who can read what everybody can, the X cookie that readiness needs, and the sessions,
which it begins and ends when Caddy says so. It never sees the token. Requests are few and small; each has a thread,
and a connection of its own: nothing is left of one when the next one comes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from visomaster_host import paths
from visomaster_host.lease import door
from visomaster_host.login import secure_name
from visomaster_host.portal import logs
from visomaster_host.portal.report import Sources, ready, report
from visomaster_host.portal.sessions import LASTS, Sessions
from visomaster_host.portal.viewers import viewers
from visomaster_host.problems import Problem, going_on, say
from visomaster_host.refusals import refusal

if TYPE_CHECKING:
    import jinja2

MOST_AT_ONCE = 32
"""Requests answered at the same time; further ones are told to come back."""

_LOG_PATH = re.compile(r"/logs/([A-Za-z0-9._/-]+)")
_OFFSET = re.compile(r"-?[0-9]{1,15}")
_FILE = re.compile(r"[0-9a-f-]{1,40}")
_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
_SESSION_PATH = re.compile(r"/~[^/]*")
TIDY_EVERY = 600.0
"""Seconds between two looks for sessions that are over."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the pages are made of; `templates` is a folder, `cookie` the name of the sessions' cookie, `stream` the
    socket of the desktop's stream, `lease` the one where this machine is kept for longer."""

    sources: Sources
    templates: Path
    sessions: Sessions
    cookie: str
    stream: Path = paths.STREAM_SOCKET
    lease: Path = paths.LEASE_FOR_PAGES


@cache
def templates_in(folder: Path) -> jinja2.Environment:
    """The page templates in `folder`. Whatever they show is escaped; an unknown name is an error."""
    import jinja2  # 21 ms, a third of this program's start, and what it is asked first is /ready

    loader = jinja2.FileSystemLoader(str(folder))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["size"] = human_size
    return environment


def human_size(count: int) -> str:
    """`count` bytes for a person: "1.5 MB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit has no limit")


def policy(nonce: str) -> str:
    """The Content-Security-Policy of a page whose scripts carry `nonce`. Nothing else from here is a script: a log is
    a text that the program writes."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )


class Server(ThreadingMixIn, UnixStreamServer):
    """The pages on the unix socket `path`. Who may open it is decided by the folder it is in."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, site: Site, path: Path) -> None:
        self.site = site
        self.slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._tidied = time.monotonic()
        path.unlink(missing_ok=True)  # of one that was killed
        super().__init__(str(path), Handler)
        path.chmod(0o666)

    def service_actions(self) -> None:
        """Called twice a second."""
        if time.monotonic() - self._tidied > TIDY_EVERY:
            self._tidied = time.monotonic()
            with going_on("visomaster-portal", "sessions that are over stay there, and open nothing"):
                self.site.sessions.tidy()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called in place of a traceback: say in one line why a request was not answered."""
        error = sys.exc_info()[1]
        reason = refusal(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        say(f"visomaster-portal: a request was not answered: {reason}")


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, and a POST that begins or ends a session or keeps the machine; Caddy lets no other by."""

    server: Server
    protocol_version = "HTTP/1.0"
    server_version = "portal"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer one request."""
        if not self.server.slots.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"busy\n")
            return
        try:
            self._route()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the reader left
        except OSError as error:
            say(f"visomaster-portal: a request was not answered: {refusal(error)}")
            self._send(HTTPStatus.INSUFFICIENT_STORAGE, "text/plain", f"{refusal(error)}\n".encode())
        finally:
            self.server.slots.release()

    do_HEAD = do_POST = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: Caddy keeps the access log."""

    def _route(self) -> None:
        # As sent: nothing here is spelled with an escape, so `%` is never decoded and never matches.
        target = urlsplit(self.path)
        plain: dict[str, Callable[[], None]] = {
            "/": lambda: self._page("index.html.j2", root=".", report=self._report()),
            "/files/": lambda: self._page("files.html.j2", root=".."),
            "/status/": lambda: self._page("status.html.j2", root="..", report=self._report()),
            "/status/status.json": lambda: self._json(self._report()),
            "/desktop/viewers": lambda: self._json({**viewers(self.server.site.stream)}),
            "/ready": self._ready,
            "/lease/keep": self._keep,
            "/session/new": self._begin_session,
            "/session/end": self._end_session,
            "/logs/": lambda: self._listing("..", logs.listing(self._folders)),
            "/logs/supervisor/": lambda: self._listing(
                "../..", [log for log in logs.listing(self._folders) if log.folder == "supervisor"]
            ),
        }
        if target.path in plain:
            plain[target.path]()
        elif (match := _LOG_PATH.fullmatch(target.path)) is not None:
            self._log(match[1], parse_qs(target.query, keep_blank_values=True))
        else:
            self._not_found()

    def _keep(self) -> None:
        """An hour more before this machine ends."""
        if self.command != "POST":
            self._send(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"method not allowed\n")
            return
        try:
            told, status = door.ask(self.server.site.lease), HTTPStatus.OK
        except Problem as problem:
            told, status = str(problem), HTTPStatus.CONFLICT
        self._send(status, "application/json", json.dumps({"told": told}).encode())

    def _begin_session(self) -> None:
        """To where the visitor wanted to go, below the new session's path; any other would be an open redirect: //evil,
        /%5cevil, /%0d%0a. Where it was in an older session, it is in this one."""
        wanted = _SESSION_PATH.sub("", self.headers.get("X-Portal-Path", ""), count=1)
        session = self.server.site.sessions.begin()
        place = session.base + (wanted if wanted not in ("", "/login") and _PLAIN_PATH.fullmatch(wanted) else "/")
        cookie = self._set_cookie(session.cookie, session.base, LASTS)
        if self.command == "POST":  # the login page's script, which goes there by itself
            self._send(HTTPStatus.OK, "application/json", json.dumps({"base": session.base}).encode(), cookie)
        else:
            self._send(HTTPStatus.FOUND, "text/plain", b"", {"Location": place, **cookie})

    def _end_session(self) -> None:
        """All that the browser has: one that was begun in the clear, and one over TLS."""
        names = {name.strip("/") for name in self.headers.get("X-Portal-Session", "").split()}
        bases = {base for name in names if (base := self.server.site.sessions.end(name)) is not None}
        if not bases:
            self._not_found()
            return
        self._send(HTTPStatus.SEE_OTHER, "text/plain", b"", {"Location": "/", **self._set_cookie("", bases.pop(), 0)})

    def _set_cookie(self, value: str, base: str, seconds: int) -> dict[str, str]:
        name, secure = self.server.site.cookie, ""
        if self.headers.get("X-Forwarded-Proto") == "https":
            name, secure = secure_name(name), "; Secure"
        return {"Set-Cookie": f"{name}={value}; Path={base}/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"}

    @property
    def _folders(self) -> Any:
        return self.server.site.sources.folders

    def _report(self) -> dict[str, Any]:
        return report(self.server.site.sources)

    def _ready(self) -> None:
        good = ready(self.server.site.sources.readiness.checks())
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        self._send(status, "text/plain", b"ready\n" if good else b"not ready\n")

    def _listing(self, root: str, found: list[logs.Log]) -> None:
        words = self.server.site.sources.words
        found.sort(key=lambda log: not words.is_of_program(log.path))
        self._page("logs.html.j2", root=root, logs=found)

    def _log(self, path: str, query: dict[str, list[str]]) -> None:
        """A log as a page that follows it for a browser, as text for everything else and with `?raw`."""
        try:
            file = logs.open_log(path, self._folders)
        except logs.NoSuchLog:
            self._not_found()
            return
        with file:
            if "offset" in query:
                self._chunk(file, query)
            elif "raw" not in query and "text/html" in self.headers.get("Accept", ""):
                self._page("log.html.j2", root="../.." if "/" in path else "..", path=path)
            else:
                self._whole(file)

    def _chunk(self, file: BinaryIO, query: dict[str, list[str]]) -> None:
        offset, known = query["offset"][-1], query.get("file", [""])[-1]
        if not _OFFSET.fullmatch(offset) or (known and not _FILE.fullmatch(known)):
            self._send(HTTPStatus.BAD_REQUEST, "text/plain", b"offset: expected a number\n")
            return
        chunk = logs.read_from(file, offset=int(offset), known=known or None)
        headers = {
            "X-Log-File": chunk.file,
            "X-Log-Next": str(chunk.next),
            "X-Log-Restarted": "yes" if chunk.restarted else "no",
        }
        self._send(HTTPStatus.OK, "text/plain", chunk.data, headers)

    def _whole(self, file: BinaryIO) -> None:
        """The whole file as it is now; what is written meanwhile is left for the next reader."""
        size = file.seek(0, 2)
        file.seek(0)
        self._head(HTTPStatus.OK, "text/plain", size, {})
        if self.command == "GET":
            shutil.copyfileobj(_Limited(file, size), self.wfile, 64 * 1024)

    def _page(self, template: str, **values: Any) -> None:
        nonce = os.urandom(16).hex()  # nothing but the scripts that the page itself names runs in it
        site = self.server.site
        page = templates_in(site.templates).get_template(template)
        html = page.render(nonce=nonce, log_title=site.sources.words.log, **values)
        self._send(HTTPStatus.OK, "text/html", html.encode(), {"Content-Security-Policy": policy(nonce)})

    def _json(self, document: dict[str, Any]) -> None:
        self._send(HTTPStatus.OK, "application/json", json.dumps(document).encode())

    def _not_found(self) -> None:
        self._send(HTTPStatus.NOT_FOUND, "text/plain", b"404 Not Found\n")

    def _send(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, kind, len(body), headers or {})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(length))
        self.send_header("Vary", "Accept")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class _Limited:
    """The first `left` bytes of a file that may be growing or shrinking; a shortened one is padded to what
    was promised.
    """

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left

    def read(self, most: int = -1, /) -> bytes:
        """The next bytes, at most `most`."""
        wanted = min(most, self._left)
        data = self._file.read(wanted) or b"\n" * wanted
        self._left -= len(data)
        return data
