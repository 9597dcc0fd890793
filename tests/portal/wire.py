"""A websocket by hand, over a line that a test can cut without anybody being told."""

from __future__ import annotations

import contextlib
import ctypes
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.portal import rig

BINARY, PING, PONG = 0x2, 0x9, 0xA
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A program for the kernel's packet filter: take nothing."""
_SO_ATTACH_FILTER = 26


def cut(connection: socket.socket) -> None:
    """From now on nothing arrives here, and nothing is acknowledged: what a dead line looks like to the other side."""
    program = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    described = struct.pack("HP", 1, ctypes.addressof(program))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


class Viewer:
    """A viewer's end of a websocket to the desktop; answers no ping unless told to."""

    def __init__(self, connection: socket.socket, begun: bytes = b"") -> None:
        self.connection, self._waiting = connection, begun

    def frame(self, seconds: float = 10) -> tuple[int, bytes] | None:
        """The next frame's kind and content; None when the other side has ended it all. Raises `TimeoutError`."""
        head = self._read(2, seconds)
        length = head[1] & 0x7F if head else 0
        if head and length > 125:
            length = int.from_bytes(self._read(2 if length == 126 else 8, seconds), "big")
        return (head[0] & 0x0F, self._read(length, seconds)) if head else None

    def send(self, kind: int, content: bytes = b"") -> None:
        """One frame of up to 125 bytes, masked with zeros."""
        self.connection.sendall(bytes([0x80 | kind, 0x80 | len(content)]) + bytes(4) + content)

    def cut(self) -> None:
        """`cut` the line."""
        cut(self.connection)

    def _read(self, count: int, seconds: float) -> bytes:
        self.connection.settimeout(seconds)
        while len(self._waiting) < count:
            try:
                more = self.connection.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                return b""
            self._waiting += more
        read, self._waiting = self._waiting[:count], self._waiting[count:]
        return read


@contextmanager
def viewer(portal: rig.Portal, port: int = 0, buffer: int = 0) -> Iterator[Viewer]:
    """Somebody with a session whose websocket was taken; `buffer` bytes are all that his machine takes unread, `port`
    is that of a proxy in between."""
    with socket.socket() as connection:
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", port or portal.port))
        yield opened(connection, portal.port, portal.base, portal.cookie)


def opened(connection: socket.socket, port: int, base: str, cookie: str) -> Viewer:
    """The websocket to the desktop of a session at `base`, asked for on `connection` to the portal on `port`."""
    headers = {"Host": f"127.0.0.1:{port}", "Cookie": cookie, **rig.websocket_headers()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"GET {base}/vnc/websockify HTTP/1.1\r\n{lines}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(65536)
        assert more, answer
        answer += more
    head, _, begun = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    return Viewer(connection, begun)


class Between:
    """Somebody's proxy: ends a connection on which nothing has gone either way for `seconds`, as most do after sixty,
    and says of a request what it has been told to, instead of what the browser has said."""

    def __init__(self, port: int, *, seconds: float = 60, told: Mapping[str, str] | None = None) -> None:
        self._target, self._seconds, self._told = port, seconds, dict(told or {})
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        try:
            while True:
                visitor, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(visitor,), daemon=True).start()
        except OSError:
            return

    def _carry(self, visitor: socket.socket) -> None:
        with visitor, socket.create_connection(("127.0.0.1", self._target)) as inner, contextlib.suppress(OSError):
            ways = {visitor: inner, inner: visitor}
            while ready := select.select(list(ways), [], [], self._seconds)[0]:
                for end in ready:
                    if not (data := end.recv(65536)):
                        return
                    ways[end].sendall(self._said(data) if end is visitor else data)

    def _said(self, request: bytes) -> bytes:
        for name, value in self._told.items():
            line = rf"(?im)^{name}: [^\r]*\r\n".encode()
            request = re.sub(line, f"{name}: {value}\r\n".encode() if value else b"", request)
        return request


class Screen:
    """A VNC server's place: connections come from websockify, and a test says what they are sent."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def close(self) -> None:
        """Take no more viewers."""
        self._listener.close()

    def accept(self) -> socket.socket:
        """The next viewer's connection."""
        self._listener.settimeout(10)
        connection, _ = self._listener.accept()
        connection.settimeout(20)
        return connection
