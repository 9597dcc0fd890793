"""How HTTP reaches the service `files`: one thread and one connection for each request, on a unix socket."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from visomaster_host.problems import say
from visomaster_host.workspace.exchange import Answer, Refused, Request, as_json, refused_by_system
from visomaster_host.workspace.wire import Body, Head, read_head

MOST_AT_ONCE = 32
"""Requests answered at the same time; further ones are told to come back."""
QUIET = 60
"""Seconds without a byte of a request after which it is given up."""
STALLED = 600
"""Seconds for which Caddy may take nothing. It is told by HAProxy when a visitor does not, after a minute."""
DRAINED = 1.0
"""Seconds for which a refused body is still read before the answer: who sends it sees no answer before its end, and
none at all when the line is cut. A longer one on a slow line is cut."""
UNASKED = 0.05
"""Seconds within which a body begins to come whose sender asked first, and was told by somebody else."""
CLOSED = 2.0
"""Seconds for which the sender may go on after the answer."""

_PHRASES: Mapping[int, str] = {status: status.phrase for status in HTTPStatus}
"""By number: tus has one that HTTP does not know."""

Route = Callable[[Request], Answer]


class Server(ThreadingMixIn, UnixStreamServer):
    """The service on the unix socket `path`: `routes` by the first element of what is asked for. Who may open the
    socket is decided by the folder it is in.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, routes: Mapping[str, Route], path: Path) -> None:
        self.routes = routes
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        path.unlink(missing_ok=True)  # of one that was killed
        super().__init__(str(path), Handler)
        path.chmod(0o660)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, or say at once that there are too many."""
        if not self._slots.acquire(blocking=False):
            request.settimeout(0)  # a new connection takes so much at once
            _write(request, refusal_of(Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy: ask again", _AGAIN)), head=False)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Called in the request's thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called in place of a traceback: say in one line why a request was not answered."""
        error = sys.exc_info()[1]
        say(f"visomaster-files: a request was not answered: {type(error).__name__}: {error}")


_AGAIN = {"Retry-After": "1"}


class Handler(StreamRequestHandler):
    """Answers one request, then closes the connection; what is not granted is one line of JSON, `{"error": "…"}`."""

    server: Server
    timeout = QUIET
    rbufsize = 64 * 1024
    _body: Body | None = None
    _head: Head | None = None

    def handle(self) -> None:
        """Answer one request."""
        try:
            answer = self._answer()
            if answer is not None:
                self._drain()
                self.connection.settimeout(STALLED)
                _write(self.connection, answer, head=self._head is not None and self._head.method == "HEAD")
                self._close()
        except (ConnectionError, TimeoutError):
            pass  # who asked has left, or gets no more

    def _answer(self) -> Answer | None:
        """None where nothing was asked. Raises ConnectionError, TimeoutError."""
        try:
            self._head = read_head(self.rfile)
            if self._head is None:
                return None
            request = self._request(self._head)
            route = self.server.routes.get(request.path[0] if request.path else "")
            if route is None:
                raise Refused(HTTPStatus.NOT_FOUND, "there is nothing of this name")
            return route(request)
        except Refused as refused:
            return refusal_of(refused)
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            return refusal_of(refused_by_system(error))
        except Exception as error:  # a fault of ours: told to both sides, and the service goes on
            say(f"visomaster-files: {type(error).__name__}: {error}")
            return refusal_of(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "the service has a fault: see files.log"))

    def _request(self, head: Head) -> Request:
        target = urlsplit(f"//x{head.target}")  # without it a path that begins with // would be a host
        awaited = head.headers.get("expect", "").lower() == "100-continue"
        self._body = Body(self.rfile, self.connection, head.length, awaited=awaited)
        try:
            query = parse_qs(target.query, keep_blank_values=True, errors="surrogateescape", max_num_fields=10_000)
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "expected at most 10,000 fields after ?") from None
        return Request(
            method=head.method,
            path=tuple(unquote(each, errors="surrogateescape") for each in target.path.strip("/").split("/")),
            query={name: tuple(values) for name, values in query.items()},
            headers=head.headers,
            body=self._body,
            base=head.headers.get("x-files-base", ""),
        )

    def _drain(self) -> None:
        """Read on in a body that was refused, for a while."""
        if self._body is None or (self._body.awaited and not self._is_sent_anyway()):
            return
        self._body.awaited = False
        buffer, until = memoryview(bytearray(self.rbufsize)), time.monotonic() + DRAINED
        with contextlib.suppress(TimeoutError):
            while self._body.left and (left := until - time.monotonic()) > 0:
                self.connection.settimeout(left)
                self._body.read_into(buffer)

    def _is_sent_anyway(self) -> bool:
        """Whether a body comes without our word: Caddy gives its own."""
        return bool(select.select([self.connection], [], [], UNASKED)[0])

    def _close(self) -> None:
        """End the connection so that the other side sees it all: closed with something unread, it is broken."""
        if self._body is not None and not self._body.left:
            return
        self.connection.shutdown(socket.SHUT_WR)
        until = time.monotonic() + CLOSED
        while (left := until - time.monotonic()) > 0:
            self.connection.settimeout(left)
            if not self.connection.recv(self.rbufsize):
                return


def _write(connection: socket.socket, answer: Answer, *, head: bool) -> None:
    """Send `answer`, of which only the `head` may be asked for. Raises OSError."""
    length = len(answer.body) if answer.length is None else answer.length
    headers = {"Cache-Control": "no-store", **answer.headers, "Connection": "close"}
    if answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers["Content-Length"] = str(length)
    lines = [
        f"HTTP/1.1 {int(answer.status)} {_PHRASES.get(answer.status, '')}",
        *(f"{name}: {headers[name]}" for name in headers),
    ]
    begun = "\r\n".join((*lines, "", "")).encode("latin-1")
    if head or answer.send is not None:
        connection.sendall(begun)
        if answer.send is not None and not head:
            answer.send(connection)
    else:
        connection.sendall(begun + answer.body)


def refusal_of(refused: Refused) -> Answer:
    """What is answered to a request that is `refused`."""
    answer = as_json({"error": str(refused), **refused.more}, refused.status)
    return Answer(status=answer.status, headers={**answer.headers, **refused.headers}, body=answer.body)
