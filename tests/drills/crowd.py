"""Many connections to one port of loopback that keep it busy: `python -m tests.drills.crowd PORT KIND COUNT`.

Prints one line when each connection was tried, then keeps COUNT of them open until its standard input ends: one that
is closed by the other side is opened again, at most 500 a second in all. A program of its own, since a process may not
have more than some 20,000 files open.
"""

from __future__ import annotations

import itertools
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress

LINE = b"%s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
SLOW = tuple(LINE % start + b"Content-Length: 4096\r\n\r\n" for start in (b"GET /ready", b"POST /health", b"POST /"))
KINDS: dict[str, tuple[bytes, ...]] = {
    "idle": (b"",),
    "unfinished": (b"G", LINE % b"GET /health"),
    "finished": (LINE % b"GET /health" + b"\r\n",),
    "slow": SLOW,
}
"""What each connection sends first, in turn; "slow" sends one byte a second more."""

PER_SECOND = 500
NO_WAITING = struct.pack("ii", 1, 0)
"""SO_LINGER: gone without TIME_WAIT, whose ports would be missed."""


class Crowd:
    """`count` connections to `port`."""

    def __init__(self, port: int, kind: str, count: int) -> None:
        self.port, self.kind, self.count = port, kind, count
        self.opened = 0
        self._first = itertools.cycle(KINDS[kind])
        self._selector = selectors.DefaultSelector()
        self._connected: set[socket.socket] = set()

    def begin(self, seconds: float = 15) -> None:
        """Open all of them, as fast as it goes; the other side may close them faster, so at most for `seconds`."""
        end = time.monotonic() + seconds
        while len(self._selector.get_map()) < self.count and time.monotonic() < end:
            for _ in range(min(200, self.count - len(self._selector.get_map()))):
                self._open()
            self.turn(0)

    def stay(self, going: Callable[[], bool]) -> None:
        """Keep them open while `going`."""
        begin, spent, fed = time.monotonic(), 0, 0
        while going():
            self.turn(0.02)
            seconds = time.monotonic() - begin
            while len(self._selector.get_map()) < self.count and spent < PER_SECOND * seconds:
                self._open()
                spent += 1
            if self.kind == "slow" and int(seconds) > fed:
                fed = int(seconds)
                self._feed()

    def turn(self, seconds: float) -> None:
        """Whatever happened on them, for at most `seconds`."""
        for key, mask in self._selector.select(seconds):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if mask & selectors.EVENT_WRITE:
                self._greet(connection)
            elif not self._alive(connection):
                self._drop(connection)

    def _open(self) -> None:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_WAITING)
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self.port))
        self._selector.register(connection, selectors.EVENT_WRITE)
        self.opened += 1

    def _greet(self, connection: socket.socket) -> None:
        try:
            connection.send(next(self._first))
        except OSError:
            self._drop(connection)
            return
        self._selector.modify(connection, selectors.EVENT_READ)
        self._connected.add(connection)

    def _alive(self, connection: socket.socket) -> bool:
        try:
            return connection.recv(4096) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        self._connected.discard(connection)
        connection.close()

    def _feed(self) -> None:
        for connection in tuple(self._connected):
            with suppress(OSError):  # closed by the other side: `turn` will see it
                connection.send(b"x")


def main() -> None:
    """Until the standard input ends, at most two minutes."""
    port, kind, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    crowd, deadline = Crowd(port, kind, count), time.monotonic() + 120
    crowd.begin()
    print(f"{kind}: {crowd.opened} tried", flush=True)
    inputs = selectors.DefaultSelector()
    inputs.register(sys.stdin, selectors.EVENT_READ)
    crowd.stay(lambda: not inputs.select(0) and time.monotonic() < deadline)
    print(f"{kind}: {len(crowd._connected)} open at the end, {crowd.opened} opened in all", flush=True)


if __name__ == "__main__":
    main()
