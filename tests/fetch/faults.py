"""A web server on loopback that misbehaves as told, one fault for each request of a path."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What the answer does instead of being good.

    `status`: this status and no body. `reset`/`cut`/`stall`: after so many body bytes the connection is reset, closed,
    or left open without a word. `drip`: seconds between single bytes from there on. `location`: redirect.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    reset: int = -1
    cut: int = -1
    stall: int = -1
    drip: int = -1
    location: str = ""
    corrupt: bool = False
    html: bool = False
    extra: int = 0
    no_range: bool = False
    gzip: bool = False
    chunked: bool = False
    no_length: bool = False
    wrong_range: bool = False
    other: bytes = b""


GOOD = Fault()


@dataclass
class Request:
    """One request as the server saw it."""

    path: str
    query: str
    headers: dict[str, str]
    sent: int = 0


@dataclass
class Site:
    """What the server offers, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    script: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    always: dict[str, Fault] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    rate: float = 0.0
    authorization: str = ""  # what every request must bring, else it is answered 401
    sign_uses: int = 0  # >0: every file redirects to a signed URL that works so many times
    signed: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_fault(self, path: str, query: str) -> Fault:
        with self.lock:
            if self.sign_uses and not query:
                self.signed[f"sig={len(self.signed)}"] = self.sign_uses
                return Fault(location=f"{path}?sig={len(self.signed) - 1}")
            if self.sign_uses:
                self.signed[query] -= 1
                return Fault(status=403) if self.signed[query] < 0 else GOOD
            if path in self.always:
                return self.always[path]
            return self.script[path].pop(0) if self.script[path] else GOOD

    @property
    def sent(self) -> int:
        return sum(request.sent for request in self.requests)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        request = Request(path, query, dict(self.headers.items()))
        self.site.requests.append(request)
        if self.site.authorization and self.headers.get("Authorization") != self.site.authorization:
            self._plain(401, b"no", [])
            return
        fault = self.site.next_fault(path, query)
        if fault.location:
            self._plain(302, b"", [("Location", fault.location)])
        elif fault.status:
            self._plain(fault.status, b"no", list(fault.headers))
        elif path not in self.site.files:
            self._plain(404, b"no", [])
        else:
            with contextlib.suppress(OSError):
                self._file(request, fault, fault.other or self.site.files[path])

    def _plain(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _file(self, request: Request, fault: Fault, data: bytes) -> None:
        if fault.html:
            self._plain(200, b"<html>sorry</html>", [("Content-Type", "text/html; charset=utf-8")])
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        plain = fault.no_range or fault.gzip or fault.chunked or fault.no_length or not found
        start, end = 0, len(data)
        if not plain and found:
            start = int(found[1])
            end = min(end, int(found[2]) + 1) if found[2] else end
            if start >= len(data):
                self._plain(416, b"", [("Content-Range", f"bytes */{len(data)}")])
                return
        body = data[start:end]
        if fault.corrupt:
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault.gzip:
            body = gzip.compress(body, 0)
        self._head(fault, plain, start, end, len(data), len(body))
        self._body(request, fault, body)

    def _head(self, fault: Fault, plain: bool, start: int, end: int, total: int, length: int) -> None:
        self.send_response(200 if plain else 206)
        if not plain:
            shift = 7 if fault.wrong_range else 0
            self.send_header("Content-Range", f"bytes {start + shift}-{end - 1 + shift}/{total}")
        if fault.gzip:
            self.send_header("Content-Encoding", "gzip")
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif fault.no_length:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length + fault.extra))
        for name, value in fault.headers:
            self.send_header(name, value)
        self.end_headers()

    def _body(self, request: Request, fault: Fault, body: bytes) -> None:
        limits = [n for n in (fault.reset, fault.cut, fault.stall, fault.drip) if n >= 0]
        upto = min([*limits, len(body)])
        if fault.chunked:
            for start in range(0, upto, 50_000):
                piece = body[start : min(upto, start + 50_000)]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if upto == len(body):
                self.wfile.write(b"0\r\n\r\n")
        else:
            self._send(request, body[:upto])
        self.wfile.flush()
        if fault.reset >= 0:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault.stall >= 0:
            time.sleep(5)
        elif fault.drip >= 0:
            for byte in body[upto : upto + 100]:
                self.connection.sendall(bytes([byte]))
                time.sleep(0.05)
        if limits or fault.no_length or fault.extra:
            self.close_connection = True

    def _send(self, request: Request, body: bytes) -> None:
        step = int(self.site.rate * 0.01) if self.site.rate else 1 << 18
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            self.connection.sendall(piece)
            request.sent += len(piece)
            if self.site.rate:
                time.sleep(0.01)

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are expected."""


@contextlib.contextmanager
def serving(site: Site, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve `site`; yields its URL."""
    handler = type("SiteHandler", (Handler,), {"site": site})
    with Server((host, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
