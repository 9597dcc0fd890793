"""Setting the desktop's size as a viewer does: VNC's message SetDesktopSize (RFB protocol, community version, 7.4.12),
over the unix socket on which Xtigervnc lets us in without a password.

The server's own way makes the mode, the screen and its one monitor in one step: windows then follow. By RandR they are
several, and a window manager that acts on the first of them keeps the old size.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from visomaster_host import rfb
from visomaster_host.problems import NotReady
from visomaster_host.refusals import in_words

ANSWER_WITHIN = 5.0
"""Seconds from the first byte to the server's last; on an idle machine all of it takes some 10 ms."""

MOST = 16_384
"""Pixels of a side: Xtigervnc's own bound (1.12, `VNCServerST::setDesktopSize`)."""

_UPDATE, _COLOURS, _BELL, _CLIPBOARD = 0, 1, 2, 3
_SET_ENCODINGS, _ASK, _SET_SIZE = 2, 3, 251
_RAW, _SIZE = 0, -308
_ASK_ALL, _ASK_NEWS = (struct.pack(">BBHHHH", _ASK, only_news, 0, 0, 1, 1) for only_news in (0, 1))
"""Asking for an update, of one pixel: what we want comes with it."""
_OURS = 1
"""What an answer says of who had asked: this viewer."""
_REFUSALS = {1: "sizes may not be set here", 2: "no memory for that", 3: "no such arrangement of monitors"}


@dataclass(frozen=True, kw_only=True)
class _Size:
    """One piece of news about the desktop's size: who asked, whether it was refused, the first monitor."""

    asker: int
    refusal: int
    monitor: int
    flags: int


def resize(path: Path, width: int, height: int) -> None:
    """Make the desktop `width` by `height` pixels with one monitor, through the VNC server that listens at `path`.

    Returns when the server says that it is done. Raises `NotReady` where it is not: nobody listens, a password is
    wanted, the size is refused, or no answer comes within `ANSWER_WITHIN`.
    """
    where = f"{path}: {width}x{height}"
    if not (0 < width <= MOST and 0 < height <= MOST):
        raise NotReady(f"{where}: expected a width and a height from 1 to {MOST}")
    try:
        with rfb.connected(path) as connection:
            rfb.enter(connection, str(path))
            _set(_Server(connection), width, height, where)
    except (OSError, EOFError) as error:
        raise NotReady(f"{where}: {in_words(error)}") from None


def _set(server: _Server, width: int, height: int, where: str) -> None:
    """Learn which monitor there is, ask for its size, wait for the answer."""
    news = server.sizes()
    now = next(news)
    head = struct.pack(">BxHHBx", _SET_SIZE, width, height, 1)
    server.send(head + struct.pack(">IHHHHI", now.monitor, 0, 0, width, height, now.flags))
    answer = next(each for each in news if each.asker == _OURS)
    if answer.refusal:
        why = _REFUSALS.get(answer.refusal, f"status {answer.refusal}")
        raise NotReady(f"{where}: refused by the VNC server: {why}")


class _Server:
    """The server's side of a connection that has just been let in. All of it has to come before one deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until = time.monotonic() + ANSWER_WITHIN
        bits, name = self._read("4xB15xI")  # how many a pixel has, how long the desktop's name is
        self._pixel = bits // 8
        self._skip(name)

    def send(self, message: bytes) -> None:
        """Send `message`. Raises OSError."""
        self._connection.sendall(message)

    def sizes(self) -> Iterator[_Size]:
        """All that the server tells of the desktop's size, the present one first. Raises OSError, EOFError."""
        self.send(struct.pack(">BxHi", _SET_ENCODINGS, 1, _SIZE) + _ASK_ALL)
        while True:
            (kind,) = self._read("B")
            if kind == _UPDATE:
                yield from self._update()
                self.send(_ASK_NEWS)  # without it no further one comes, nor an answer
            elif kind == _COLOURS:
                self._skip(6 * self._read("3xH")[0])
            elif kind == _CLIPBOARD:
                self._skip(self._read("3xI")[0])
            elif kind != _BELL:
                raise OSError(f"the server sent a message of the unknown kind {kind}")

    def _update(self) -> Iterator[_Size]:
        for _ in range(*self._read("xH")):
            asker, refusal, width, height, encoding = self._read("HHHHi")
            if encoding == _RAW:
                self._skip(width * height * self._pixel)
            elif encoding == _SIZE:
                yield self._size(asker, refusal)
            else:
                raise OSError(f"the server sent a picture of the unknown encoding {encoding}")

    def _size(self, asker: int, refusal: int) -> _Size:
        (monitors,) = self._read("B3x")
        found = [self._read("I8xI") for _ in range(monitors)] or [(0, 0)]
        return _Size(asker=asker, refusal=refusal, monitor=found[0][0], flags=found[0][1])

    def _read(self, form: str) -> tuple[int, ...]:
        return struct.unpack(f">{form}", self._skip(struct.calcsize(f">{form}")))

    def _skip(self, count: int) -> bytes:
        """The last of so many bytes; all of them where they are few."""
        part = b""
        while count > 0:
            if (left := self._until - time.monotonic()) <= 0:
                raise TimeoutError(f"no answer within {ANSWER_WITHIN:.0f} s")
            self._connection.settimeout(left)
            part = rfb.receive(self._connection, min(count, 4096))
            count -= len(part)
        return part
