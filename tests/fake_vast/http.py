"""HTTP on loopback: a request in, a canned answer out."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Canned:
    """An answer to give in place of the right one; `length` may promise more than the body has, `reset` is none."""

    status: int = 200
    body: str = ""
    length: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked."""

    method: str
    path: str
    authorization: str | None
    body: bytes

    def json(self) -> Any:
        """The body, where it is JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@contextmanager
def serve(answer: Callable[[Request], Canned], now: Callable[[], float], address: str) -> Iterator[str]:
    """Serve `answer` on a free port of `address` with the clock `now`; yields the URL.

    What `answer` raises is raised at the end: to a client it looks like one more broken line.
    """
    raised: list[BaseException] = []

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            error = sys.exc_info()[1]
            if error is not None and not isinstance(error, OSError):
                raised.append(error)

    class Handler(BaseHTTPRequestHandler):
        def answer_it(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            key = self.headers.get("Authorization")
            canned = answer(Request(method=self.command, path=self.path, authorization=key, body=body))
            if canned.reset:
                # A reset instead of an end: what was sent before it is lost, too.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            self.send_response_only(canned.status)
            headers = {"Date": formatdate(now(), usegmt=True), **canned.headers}
            for name, value in {**headers, "Content-Length": str(canned.length or len(canned.body.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(canned.body.encode())

        def do_GET(self) -> None:
            self.answer_it()

        def do_POST(self) -> None:
            self.answer_it()

        def do_PUT(self) -> None:
            self.answer_it()

        def do_DELETE(self) -> None:
            self.answer_it()

        def log_message(self, *arguments: object) -> None:
            """Keep the test's output clean."""

    server = Server((address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
    if raised:
        raise raised[0]
