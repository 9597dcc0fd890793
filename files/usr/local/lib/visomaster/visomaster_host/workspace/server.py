"""How HTTP reaches the service `files`: one thread and one connection for each request, on a unix socket."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from visomaster_host.problems import say
from visomaster_host.refusals import FULL, refusal
from visomaster_host.workspace.exchange import Answer, Refused, Request, as_json

MOST_AT_ONCE = 32
"""Requests answered at the same time; further ones are told to come back."""
DRAINED = 1024 * 1024
"""Bytes of a refused body that are still read, so that its sender gets to see the answer."""
QUIET = 60
"""Seconds without a byte after which a connection is given up."""

Route = Callable[[Request], Answer]


class Server(ThreadingMixIn, UnixStreamServer):
    """The service on the unix socket `path`: `routes` by the first element of what is asked for. Who may open the
    socket is decided by the folder it is in.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, routes: Mapping[str, Route], path: Path) -> None:
        self.routes = routes
        self.slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        path.unlink(missing_ok=True)  # of one that was killed
        super().__init__(str(path), Handler)
        path.chmod(0o660)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called in place of a traceback: say in one line why a request was not answered."""
        error = sys.exc_info()[1]
        reason = refusal(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        say(f"visomaster-files: a request was not answered: {reason}")


class _Body:
    """The body of one request, by its Content-Length; Caddy has taken any other form apart."""

    def __init__(self, handler: Handler, length: int) -> None:
        self.left = length
        self._file, self._connection = handler.rfile, handler.connection

    def read_into(self, buffer: memoryview, /) -> int:
        """See `Body`. Raises ConnectionError where the line ended before the body did."""
        if self.left == 0 or not len(buffer):
            return 0
        got: int = self._file.readinto1(buffer[: self.left])
        if got == 0:
            raise ConnectionResetError("the line ended within the body")
        self.left -= got
        return got

    def stop(self) -> None:
        """See `Body`."""
        with contextlib.suppress(OSError):  # it has ended already
            self._connection.shutdown(socket.SHUT_RD)


class Handler(BaseHTTPRequestHandler):
    """Answers one request; what is not granted is one line of JSON, `{"error": "…"}`."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "files"
    sys_version = ""
    timeout = QUIET

    def do_GET(self) -> None:
        """Answer one request, then close the connection."""
        self.close_connection = True
        if not self.server.slots.acquire(blocking=False):
            self._give(_refusal(Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy: ask again", {"Retry-After": "1"})))
            return
        try:
            self._give(self._answer())
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass  # the reader left
        finally:
            self.server.slots.release()

    # http.server's names
    do_HEAD = do_POST = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: Caddy keeps the access log."""

    def _answer(self) -> Answer:
        try:
            request = self._request()
            route = self.server.routes.get(request.path[0] if request.path else "")
            if route is None:
                raise Refused(HTTPStatus.NOT_FOUND, "there is nothing of this name")
            return route(request)
        except Refused as refused:
            return _refusal(refused)
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            status = HTTPStatus.INSUFFICIENT_STORAGE if error.errno in FULL else HTTPStatus.INTERNAL_SERVER_ERROR
            return _refusal(Refused(status, refusal(error)))

    def _request(self) -> Request:
        target = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length: expected the number of bytes that follow")
        self._body = _Body(self, int(length))
        query = parse_qs(target.query, keep_blank_values=True, errors="surrogateescape")
        return Request(
            method=self.command,
            path=tuple(unquote(each, errors="surrogateescape") for each in target.path.strip("/").split("/")),
            query={name: tuple(values) for name, values in query.items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._body,
            base=self.headers.get("X-Files-Base", ""),
        )

    _body: _Body | None = None

    def _give(self, answer: Answer) -> None:
        length = len(answer.body) if answer.length is None else answer.length
        self.send_response(answer.status)
        for name, value in {"Cache-Control": "no-store", **answer.headers}.items():
            self.send_header(name, value)
        if answer.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            if answer.send is not None:
                answer.send(self.connection)
            else:
                self.wfile.write(answer.body)
        self._drain()

    def _drain(self) -> None:
        """Read on a little: a connection that is closed with something unread loses the answer, too."""
        if self._body is None or not self._body.left:
            return
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(2)
        buffer, most = memoryview(bytearray(64 * 1024)), DRAINED
        while most > 0 and (got := self._body.read_into(buffer)):
            most -= got


def _refusal(refused: Refused) -> Answer:
    answer = as_json({"error": str(refused), **refused.more}, refused.status)
    return Answer(status=answer.status, headers={**answer.headers, **refused.headers}, body=answer.body)
