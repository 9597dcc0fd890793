"""HTTP/1.1 as it comes from Caddy on a unix socket: the head of one request, and its body.

`http.server` would do, but takes 6 MB and four times as long for each request.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedIOBase

from visomaster_host.workspace.exchange import Refused

MOST_HEAD = 64 * 1024
"""Bytes of a request's head. A cookie, which may be longer, stays with Caddy."""

_REQUEST = re.compile(rb"([A-Z]{1,20}) (/[!-~]*) HTTP/1\.[01]\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, kw_only=True)
class Head:
    """A request's line and its headers, whose names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def length(self) -> int:
        """Bytes of the body. Raises `Refused` where that is not said by Content-Length: nothing else is asked of us."""
        length = self.headers.get("content-length", "0")
        if not _LENGTH.fullmatch(length) or "transfer-encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length: expected the number of bytes that follow")
        return int(length)


def read_head(file: BufferedIOBase) -> Head | None:
    """The next request's head; None where the line ends before it. Raises `Refused` for what is no HTTP, OSError."""
    line = file.readline(MOST_HEAD)
    if not line:
        return None
    request, left = _REQUEST.fullmatch(line), MOST_HEAD - len(line)
    if request is None and left:
        raise Refused(HTTPStatus.BAD_REQUEST, "expected a request of HTTP/1.1")
    headers: dict[str, str] = {}
    while request is not None and left > 0:
        line = file.readline(left)
        left -= len(line)
        if line in (b"\r\n", b"\n"):
            return Head(method=request[1].decode(), target=request[2].decode(), headers=headers)
        if left:
            _add(headers, line)
    raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"expected a head of at most {MOST_HEAD} bytes")


def _add(headers: dict[str, str], line: bytes) -> None:
    """Put a header's `line` to the others. Raises `Refused`."""
    field = _FIELD.fullmatch(line)
    if field is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "expected headers, one a line")
    name, value = field[1].decode().lower(), field[2].decode("latin-1")
    headers[name] = f"{headers[name]}, {value}" if name in headers else value


class Body:
    """The body of one request: see `exchange.Body`. `awaited`: its sender waits to be told to go on."""

    def __init__(self, file: BufferedIOBase, connection: socket.socket, length: int, *, awaited: bool) -> None:
        self.left, self.awaited = length, awaited
        self._file, self._connection = file, connection

    def read_into(self, buffer: memoryview, /) -> int:
        """Fill the beginning of `buffer` with what has arrived; 0 at the end. Raises ConnectionError where the line
        ended before the body did, TimeoutError where nothing comes.
        """
        if self.left == 0 or not len(buffer):
            return 0
        if self.awaited:
            self.awaited = False
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        got: int = self._file.readinto1(buffer[: self.left])
        if got == 0:
            raise ConnectionResetError("the line ended within the body")
        self.left -= got
        return got

    def stop(self) -> None:
        """See `exchange.Body`."""
        with contextlib.suppress(OSError):  # it has ended already
            self._connection.shutdown(socket.SHUT_RD)
