"""What a good visitor's page shows while others misbehave on the desktop's websocket.

They are logged in: who is not, does not reach the desktop. One kind after another comes to each way; at the end all at
once.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from bench import page
from bench.rounds import RATE, SCENES
from bench.stage import LINKS, TOKEN, WAYS, Stage, Way

ANSWER_WITHIN = 3
"""Seconds after which a websocket that is not taken counts as refused."""
ABORT_PAUSE = 0.3
BEGIN = 2.0
"""Seconds from the good visitor's first picture to the storm."""
SOCKETS = {"/vnc/": "/vnc/websockify", "/desktop/": "/desktop/api/websockets?role=controller"}
"""Where a page's websocket is."""

VERSION, NO_PASSWORD, SHARED = b"RFB 003.008\n", b"\x01", b"\x01"
RAW_ONLY = struct.pack(">BxHi", 2, 1, 0)
WHOLE_SCREEN = struct.pack(">BBHHHH", 3, 0, 0, 0, 1920, 1080)
STREAM_WANTED = b"START_VIDEO"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the good one saw: pictures a second, and the longest wait for one in seconds; how many bad ones `came`."""

    way: str
    trouble: str
    fps: float
    gap: float
    came: int


@dataclass(kw_only=True)
class Storm:
    """Bad visitors of one way, on `port` of this machine, until `over`."""

    port: int
    way: Way
    over: threading.Event = field(default_factory=threading.Event)
    came: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def websocket(self) -> Iterator[socket.socket]:
        """The desktop's websocket, taken; at the end it is reset, as of a killed program. Raises OSError."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_WITHIN)
        try:
            connection.sendall(upgrade(self.port, SOCKETS[self.way.page]))
            if b" 101 " not in connection.recv(4096):
                raise ConnectionRefusedError(f"{self.way.page}: no websocket")
            with self._lock:
                self.came += 1
            yield connection
        finally:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def say(self, connection: socket.socket, *messages: bytes) -> None:
        """Send messages, each whole."""
        for message in messages:
            connection.sendall(frame(message, text=self.way.page != "/vnc/"))

    def begin(self, connection: socket.socket) -> None:
        """Say what comes before a desktop's pictures, without asking for its control."""
        if self.way.page == "/vnc/":
            self.say(connection, VERSION, NO_PASSWORD, SHARED, RAW_ONLY)


def upgrade(port: int, target: str) -> bytes:
    """The request for a websocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", f"Authorization: Bearer {TOKEN}", "", ""]
    return "\r\n".join(lines).encode()


def frame(message: bytes, *, text: bool) -> bytes:
    """A short message as a client sends it (RFC 6455, 5.2), masked with nothing."""
    if len(message) > 125:
        raise ValueError(f"{len(message)} bytes, expected 125 at most")
    return bytes([0x81 if text else 0x82, 0x80 | len(message), 0, 0, 0, 0]) + message


def be_mute(storm: Storm) -> None:
    """Say nothing."""
    with storm.websocket():
        storm.over.wait()


def stop_halfway(storm: Storm) -> None:
    """Stop in the middle of a message."""
    with storm.websocket() as connection:
        storm.begin(connection)
        whole = WHOLE_SCREEN if storm.way.page == "/vnc/" else STREAM_WANTED
        if storm.way.page == "/vnc/":
            storm.say(connection, whole[:4])
        else:
            connection.sendall(frame(whole, text=True)[:9])
        storm.over.wait()


def be_deaf(storm: Storm) -> None:
    """Ask for everything, again and again, and read nothing."""
    with storm.websocket() as connection:
        storm.begin(connection)
        while not storm.over.wait(0.5):
            storm.say(connection, WHOLE_SCREEN if storm.way.page == "/vnc/" else STREAM_WANTED)


def abort(storm: Storm) -> None:
    """Come and be killed, again and again, with pictures on the way."""
    while not storm.over.wait(ABORT_PAUSE):
        with contextlib.suppress(OSError), storm.websocket() as connection:
            storm.begin(connection)
            storm.say(connection, WHOLE_SCREEN if storm.way.page == "/vnc/" else STREAM_WANTED)
            connection.settimeout(ABORT_PAUSE)
            connection.recv(4096)


Trouble = Callable[[Storm], None]
KINDS: dict[str, tuple[Trouble, ...]] = {
    "none": (),
    "mute": (be_mute,),
    "half": (stop_halfway,),
    "deaf": (be_deaf,),
    "abort": (abort, abort),
    "all": (be_mute, stop_halfway, be_deaf, abort, abort),
}
TROUBLES = {
    "none": "(nobody else)",
    "mute": "one says nothing",
    "half": "one stops in the middle of a message",
    "deaf": "one asks for the whole screen and reads nothing",
    "abort": "two come and are killed, again and again",
    "all": "all of them at once",
}


def all_ways(stage: Stage, seconds: float, say: Callable[[str], None]) -> list[Outcome]:
    """Let every kind come to every way, so long each; `say` is told what came out."""
    found = []
    for trouble, way in itertools.product(KINDS, WAYS):
        outcome = endure(stage, way, trouble, seconds)
        say(f"{trouble:6} {way.name:9}  {outcome.fps:5.1f} pictures/s, longest wait {outcome.gap:.2f} s")
        found.append(outcome)
    return found


def endure(stage: Stage, way: Way, trouble: str, seconds: float) -> Outcome:
    """Watch one way while one kind of trouble comes."""
    box, size = stage.boxes[way.screen], SCENES["960x540"]
    link = LINKS[0]
    box.show(*size, RATE)
    with box.free(), page.desktop(stage.browser, stage.address(way, link)) as desktop:
        desktop.look_at(*size)
        desktop.await_picture()
        desktop.wait(BEGIN)
        storm = Storm(port=stage.port(way, link), way=way)
        threads = [threading.Thread(target=partial(_come, storm, one), daemon=True) for one in KINDS[trouble]]
        desktop.seen()
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        desktop.wait(seconds)
        seen = [sight.at for sight in desktop.seen()]
        ended = time.monotonic()
        storm.over.set()
        for thread in threads:
            thread.join(ANSWER_WITHIN + 1)
    return outcome(way, trouble, [begun, *seen, ended], storm.came)


def _come(storm: Storm, trouble: Trouble) -> None:
    with contextlib.suppress(OSError):  # the server may well end it
        trouble(storm)


def outcome(way: Way, trouble: str, moments: Sequence[float], came: int) -> Outcome:
    """Put together what is printed; `moments` are the begin, every new picture, and the end."""
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    fps = (len(moments) - 2) / (moments[-1] - moments[0])
    return Outcome(way=way.name, trouble=trouble, fps=fps, gap=max(gaps), came=came)
