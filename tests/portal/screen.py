"""A desktop for pages of noVNC, without any host: an empty screen behind a portal, and what keys arrive there."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from tests.portal import rig
from tests.portal.stream import accepted

SIZE = (800, 600)
NAME = b"a desktop"
KEY = 4  # RFC 6143, 7.5.4


class Screen:
    """Listens in place of the portal's websockify, until `close`; `keys` are those that arrived, as (keysym, whether it
    is down)."""

    def __init__(self, portal: rig.Portal) -> None:
        portal.websockify.close()
        self.keys: list[tuple[int, bool]] = []
        self._listener = socket.create_server(("127.0.0.1", portal.websockify.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Nobody listens any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def held(self) -> set[int]:
        """The keys that are down now."""
        return {key for number, (key, down) in enumerate(self.keys) if down and (key, False) not in self.keys[number:]}

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        pixels = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        answers = [
            b"\x01\x01",  # no login
            bytes(4),  # it is good
            struct.pack(">HH", *SIZE) + pixels + struct.pack(">I", len(NAME)) + NAME,
        ]
        with connection, contextlib.suppress(OSError, EOFError), connection.makefile("rb") as said:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += said.readline() or _ended()
            connection.sendall(accepted(head.decode()) + _frame(b"RFB 003.008\n"))
            while message := _unframed(said.read):
                if answers:
                    connection.sendall(_frame(answers.pop(0)))
                else:
                    self._note(message)

    def _note(self, message: bytes) -> None:
        while len(message) >= 8 and message[0] == KEY:  # what follows another message in the same frame is no key's
            down, key = struct.unpack(">xBxxI", message[:8])
            self.keys.append((key, bool(down)))
            message = message[8:]


def _ended() -> bytes:
    raise EOFError


def _frame(message: bytes) -> bytes:
    return bytes([0x82, len(message)]) + message


def _unframed(read: Callable[[int], bytes]) -> bytes:
    """The next message of a browser's; empty when there is none any more."""
    head = read(2)
    if len(head) < 2 or head[0] & 0xF != 2:
        return b""
    length = head[1] & 0x7F
    if length == 126:
        length = struct.unpack(">H", read(2))[0]
    mask, content = read(4), read(length)
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
