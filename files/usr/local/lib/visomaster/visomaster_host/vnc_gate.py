"""The public port of a VNC server: python3 -m visomaster_host.vnc_gate DESCRIPTOR PORT

Takes visitors on the listening socket DESCRIPTOR and carries their bytes to the server on PORT of loopback.

Xtigervnc 1.12 keeps every visitor for ever, a mute one too, for 460 kB each, and aborts with the desktop and all
unsaved work once a descriptor of it is above 1023: a thousand connections of a stranger who has no password. With a
lower limit of open files it writes 12,000 lines a second instead, and no program can open a window any more. So
visitors are counted here: so many in all, so many of one address, and who has not logged in makes room for the next.

The server locks out addresses that do not log in. It is shown one of loopback for each visitor's, always the same one.
"""

from __future__ import annotations

import hashlib
import itertools
import resource
import secrets
import selectors
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import NoReturn

from visomaster_host import rfb
from visomaster_host.problems import reporting, say

MOST, MOST_OF_ONE = 200, 16
"""Visitors at one time, in all and of one address."""
GRACE = 10.0
"""Seconds in which nobody is sent away to make room."""
LOGIN_WITHIN = 120.0
"""Seconds to log in: viewers ask for the password after they have connected."""
DEAD_AFTER, PROBED_AFTER = 60, 20
"""Seconds after which a visitor's line counts as dead: what was sent has not been taken for so long; asked when nothing
was sent. The keys that were down come up then."""

_LEAST_SAID = 12 + 1 + 16 + 1
"""Bytes that whoever has logged in has sent: the version, a security type, the answer with the password, and whether
others may stay (RFC 6143, 7.1 to 7.3). With TLS there are more."""
_SHOWN = 16_384
"""Bytes that nobody was sent who has not logged in: a chain of certificates has some thousand."""
_CHUNK = 65_536
_SPARE = 50  # descriptors for all else
_TURN = 1.0  # seconds between two looks at the clock
_ABRUPTLY = struct.pack("ii", 1, 0)  # SO_LINGER: gone without a trace in the kernel's tables


@dataclass(eq=False)
class Line:
    """A visitor and their connection to the server. `heard` and `shown` are the bytes that came from either."""

    address: str
    visitor: socket.socket
    server: socket.socket
    begun: float
    heard: int = 0
    shown: int = 0
    ended: bool = False
    waiting: dict[socket.socket, bytes] = field(default_factory=dict)
    """What an end has not taken yet; nothing more is read for it meanwhile."""

    def age(self) -> float:
        """Seconds since the visitor came."""
        return time.monotonic() - self.begun

    def other(self, end: socket.socket) -> socket.socket:
        """The end opposite to `end`."""
        return self.server if end is self.visitor else self.visitor

    def wanted(self, end: socket.socket) -> int:
        """The events of `end` that this line waits for; 0 for none."""
        write = selectors.EVENT_WRITE if self.waiting.get(end) else 0
        read = 0 if self.ended or self.waiting.get(self.other(end)) else selectors.EVENT_READ
        return read | write


class Gate:
    """What stands between `listener` and the server on `port` of loopback."""

    def __init__(self, listener: socket.socket, port: int, most: int = MOST) -> None:
        self.listener, self.port, self.most = listener, port, most
        self.lines: dict[Line, None] = {}
        """The longest there first."""
        self._salt = secrets.token_bytes(16)
        self._checks = itertools.count()
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, (None, listener))

    def turn(self, seconds: float = _TURN) -> None:
        """Do what there is to do, after at most `seconds`."""
        for key, mask in self._selector.select(seconds):
            line, end = key.data
            if line is None:
                self._welcome()
            elif line in self.lines:  # it may have gone meanwhile
                self._carry(line, end, mask)
        for line in self._late():
            self._drop(line, f"not logged in within {LOGIN_WITHIN:.0f} s")

    def _late(self) -> list[Line]:
        return [line for line in self.lines if line.heard < _LEAST_SAID and line.age() > LOGIN_WITHIN]

    def _welcome(self) -> None:
        """Take one visitor, if there is room for them."""
        try:
            visitor, (address, _) = self.listener.accept()
        except OSError:  # they have gone again
            return
        if not self._room(address):
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPTLY)
            visitor.close()
            return
        server = socket.socket()
        for end in (visitor, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        let_go_when_dead(visitor)
        line = Line(address, visitor, server, time.monotonic())
        self.lines[line] = None
        server.bind((self.shown_as(address), 0))
        server.connect_ex(("127.0.0.1", self.port))  # under way: how it ends is seen when something is to be carried
        for end in (visitor, server):
            self._watch(line, end)

    def _room(self, address: str) -> bool:
        """Whether there is room for a visitor from `address`, who may take the place of one that has not logged in."""
        neighbours = [line for line in self.lines if line.address == address]
        for crowd, most in ((neighbours, MOST_OF_ONE), (list(self.lines), self.most)):
            if len(crowd) < most:
                continue
            oldest = next((line for line in crowd if line.shown < _SHOWN and line.age() > GRACE), None)
            if oldest is None:
                return False
            self._drop(oldest, "has made room without having logged in")
        return True

    def shown_as(self, address: str) -> str:
        """The address of loopback that the server is shown for `address`. The host's checks have a new one each."""
        if address == rfb.ASKING:
            number = next(self._checks) % 65_024
            return f"127.255.{number // 254}.{number % 254 + 1}"
        one, two, three = hashlib.sha256(self._salt + address.encode()).digest()[:3]
        return f"127.{one % 254 + 1}.{two}.{three % 254 + 1}"

    def _carry(self, line: Line, end: socket.socket, mask: int) -> None:
        """Take what `end` has to say to the other, and give it what waits for it."""
        try:
            if mask & selectors.EVENT_WRITE:
                self._give(line, end, line.waiting.pop(end, b""))
            if mask & selectors.EVENT_READ:
                self._take(line, end)
        except BlockingIOError:
            pass
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            self._drop(line, "the VNC server is not there" if refused else "")
            return
        if line.ended and not any(line.waiting.values()):
            self._drop(line)
            return
        for each in (line.visitor, line.server):
            self._watch(line, each)

    def _take(self, line: Line, end: socket.socket) -> None:
        data = end.recv(_CHUNK)
        line.ended = line.ended or not data
        if end is line.visitor:
            line.heard += len(data)
            if not data:
                line.waiting.pop(end, None)  # the keys of somebody who has gone come up at once
        else:
            line.shown += len(data)
        self._give(line, line.other(end), data)

    def _give(self, line: Line, end: socket.socket, data: bytes) -> None:
        try:
            sent = end.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        line.waiting[end] = data[sent:]

    def _watch(self, line: Line, end: socket.socket) -> None:
        wanted, known = line.wanted(end), end in self._selector.get_map()
        if wanted and known:
            self._selector.modify(end, wanted, (line, end))
        elif wanted:
            self._selector.register(end, wanted, (line, end))
        elif known:
            self._selector.unregister(end)

    def _drop(self, line: Line, why: str = "") -> None:
        if why and line.address != rfb.ASKING:
            say(f"{line.address} (the server knows it as {self.shown_as(line.address)}): {why}")
        del self.lines[line]
        for end in (line.visitor, line.server):
            if end in self._selector.get_map():
                self._selector.unregister(end)
            end.close()


def let_go_when_dead(visitor: socket.socket) -> None:
    """Have the kernel end the connection of `visitor` when their line is dead."""
    options = ((socket.TCP_KEEPIDLE, PROBED_AFTER), (socket.TCP_KEEPINTVL, PROBED_AFTER), (socket.TCP_KEEPCNT, 2))
    visitor.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*options, (socket.TCP_USER_TIMEOUT, DEAD_AFTER * 1000)):
        visitor.setsockopt(socket.IPPROTO_TCP, name, value)


def room_for() -> int:
    """How many visitors this process has descriptors for, at most `MOST`. Raises the limit of open files for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(hard, 2 * MOST + _SPARE)
    if files > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return min(MOST, (files - _SPARE) // 2)


def serve(descriptor: int, port: int) -> NoReturn:
    """Serve until the end of this process."""
    gate = Gate(socket.socket(fileno=descriptor), port, room_for())
    while True:
        gate.turn()


def main() -> int:
    """Serve as the arguments say."""
    return reporting("the gate of VNC", lambda: serve(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    sys.exit(main())
