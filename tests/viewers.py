"""A VNC viewer by hand (RFC 6143), straight or through the portal's websocket: a good one, and what bad ones do."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from tests.portal import wire

RAW = 0
Rectangle = tuple[int, int, int, int]
"""Left, top, width, height."""


class Line(Protocol):
    """What carries the bytes."""

    connection: socket.socket

    def read(self, count: int, seconds: float = 20) -> bytes:
        """Exactly so many. Raises `EOFError`, `TimeoutError`."""

    def send(self, content: bytes) -> None:
        """All of it. Raises OSError."""


class Straight:
    """A connection to a VNC server."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, count: int, seconds: float = 20) -> bytes:
        """Exactly so many bytes. Raises `EOFError`, `TimeoutError`."""
        self.connection.settimeout(seconds)
        read = bytearray()
        while len(read) < count:
            if not (more := self.connection.recv(min(count - len(read), 1 << 20))):
                raise EOFError("the server has ended the connection")
            read += more
        return bytes(read)

    def send(self, content: bytes) -> None:
        """All of it."""
        self.connection.sendall(content)


class Framed:
    """A websocket; pings are answered while something is read."""

    def __init__(self, websocket: wire.Viewer) -> None:
        self.connection, self._websocket = websocket.connection, websocket
        self._read = bytearray()

    def read(self, count: int, seconds: float = 20) -> bytes:
        """Exactly so many bytes. Raises `EOFError`, `TimeoutError`."""
        while len(self._read) < count:
            if (frame := self._websocket.frame(seconds)) is None:
                raise EOFError("the portal has ended the connection")
            kind, content = frame
            if kind == wire.PING:
                self._websocket.send(wire.PONG, content)
            elif kind == wire.BINARY:
                self._read += content
        read, self._read = bytes(self._read[:count]), self._read[count:]
        return read

    def send(self, content: bytes) -> None:
        """All of it, in frames of a hundred bytes."""
        for begin in range(0, len(content), 100):
            self._websocket.send(wire.BINARY, content[begin : begin + 100])


class Viewer:
    """One who has logged in, and takes pixels as they are."""

    def __init__(self, line: Line, password: str | None) -> None:
        """Log in, with VncAuth where there is a `password`. Raises `EOFError`, OSError, `PermissionError`."""
        self.line = line
        line.read(12)
        line.send(b"RFB 003.008\n")
        offered = line.read(line.read(1)[0])
        security = 1 if password is None else 2
        assert security in offered, offered
        line.send(bytes([security]))
        if password is not None:
            line.send(answer(line.read(16), password))
        if line.read(4) != bytes(4):
            raise PermissionError("the password was refused")
        line.send(b"\x01")
        self.width, self.height = struct.unpack(">HH", line.read(4))
        line.read(16)
        line.read(struct.unpack(">I", line.read(4))[0])
        line.send(struct.pack(">BxHi", 2, 1, RAW))

    def request(self, part: Rectangle, *, incremental: bool = True) -> None:
        """Ask for `part` of the screen, or for what has changed there since."""
        self.line.send(struct.pack(">BBHHHH", 3, incremental, *part))

    def press(self, keysym: int, *, down: bool) -> None:
        """A key goes down or up."""
        self.line.send(struct.pack(">BBxxI", 4, down, keysym))

    def type(self, keysyms: list[int], pause: float = 0.0) -> None:
        """One key after another, down and up."""
        for keysym in keysyms:
            self.press(keysym, down=True)
            self.press(keysym, down=False)
            time.sleep(pause)

    def picture(self, part: Rectangle, seconds: float = 20) -> int:
        """Ask for all of `part` and read it; the bytes of it."""
        self.request(part, incremental=False)
        return self.update(seconds)

    def update(self, seconds: float = 20) -> int:
        """Read until an update has come; the bytes of its pixels. Raises `EOFError`, `TimeoutError`."""
        while True:
            kind = self.line.read(1, seconds)[0]
            if kind == 0:
                return sum(self._rectangle() for _ in range(struct.unpack(">xH", self.line.read(3))[0]))
            if kind == 3:
                self.line.read(struct.unpack(">3xI", self.line.read(7))[0])
            else:
                assert kind == 2, f"message of the unknown kind {kind}"

    def _rectangle(self) -> int:
        _, _, width, height, encoding = struct.unpack(">HHHHi", self.line.read(12))
        assert encoding == RAW, encoding
        return len(self.line.read(width * height * 4))

    def watch(self, part: Rectangle, going: Callable[[], bool], seen: list[float]) -> None:
        """Note in `seen` when each update of `part` came, while `going`. Raises `EOFError`, `TimeoutError`."""
        self.picture(part)
        while going():
            seen.append(time.monotonic())
            self.request(part)
            self.update()


def answer(challenge: bytes, password: str) -> bytes:
    """What VncAuth wants: DES with the password's bits in each byte the other way round (RFC 6143, 7.2.2)."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode()[:8].ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return bytes(encryptor.update(challenge) + encryptor.finalize())


def ended(connection: socket.socket) -> bool:
    """Whether the other side has ended it by now; what it had sent is read."""
    connection.setblocking(False)
    try:
        while select.select([connection], [], [], 0)[0]:
            if not connection.recv(1 << 20):
                return True
    except BlockingIOError:
        pass
    except OSError:
        return True
    return False
