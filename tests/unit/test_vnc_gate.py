"""The gate before a VNC server: how many come in, who makes room, and that nobody holds up anybody."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from visomaster_host import rfb, vnc_gate

from tests.portal.wire import cut

PASSED = bytes(vnc_gate._LEAST_SAID)
"""As many bytes as somebody has sent who has logged in."""
PICTURE = bytes(vnc_gate._SHOWN)


class World:
    """A gate that serves, the server behind it, and visitors."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.server.settimeout(30)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=256))
        self.address = listener.getsockname()
        self.gate = vnc_gate.Gate(listener, self.server.getsockname()[1])
        over = threading.Event()
        thread = threading.Thread(target=self._serve, args=(over,), daemon=True)
        thread.start()
        stack.callback(thread.join, 5)
        stack.callback(over.set)

    def _serve(self, over: threading.Event) -> None:
        while not over.is_set():
            self.gate.turn(0.01)

    def visitor(self, source: str = "127.0.0.1") -> socket.socket:
        """Somebody who connects from `source`."""
        return self._stack.enter_context(socket.create_connection(self.address, 30, (source, 0)))

    def refused(self, source: str = "127.0.0.1") -> bool:
        """Whether somebody from `source` is sent away."""
        try:
            return over(self.visitor(source))
        except ConnectionError:  # as early as that
            return True

    def admitted(self, source: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
        """Somebody who connects, and what the server has of them."""
        visitor = self.visitor(source)
        served = self._stack.enter_context(self.server.accept()[0])
        served.settimeout(30)
        return visitor, served

    def logged_in(self, source: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
        """Somebody who is shown a picture."""
        visitor, served = self.admitted(source)
        visitor.sendall(PASSED)
        assert rfb.receive(served, len(PASSED)) == PASSED
        served.sendall(PICTURE)
        assert rfb.receive(visitor, len(PICTURE)) == PICTURE
        return visitor, served


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


def over(connection: socket.socket, seconds: float = 30) -> bool:
    """Whether the other side ends `connection` within `seconds`."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def test_all_that_is_said_arrives(world: World) -> None:
    visitor, served = world.admitted()
    long = bytes(range(256)) * 20_000
    sending = threading.Thread(target=served.sendall, args=(long,))
    sending.start()
    assert rfb.receive(visitor, len(long)) == long
    sending.join(5)
    visitor.sendall(b"a key")
    assert rfb.receive(served, 5) == b"a key"


def test_who_goes_is_gone_for_the_server_at_once(world: World) -> None:
    """Their keys come up then: also where a picture is still on its way to them, and where they go without a word."""
    for abruptly in (False, True):
        visitor, served = world.admitted()
        served.setblocking(False)
        for _ in range(200):
            try:
                served.send(bytes(65536))
            except BlockingIOError:
                break
        if abruptly:
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, vnc_gate._ABRUPTLY)
            visitor.close()
        else:
            visitor.shutdown(socket.SHUT_WR)
        begun = time.monotonic()
        assert over(served)
        assert time.monotonic() - begun < vnc_gate.GRACE / 2


def test_the_servers_last_words_arrive(world: World) -> None:
    """Why a password was refused."""
    visitor, served = world.admitted()
    served.sendall(b"Authentication failed")
    served.close()
    assert rfb.receive(visitor, 21) == b"Authentication failed"
    assert over(visitor)


def test_a_server_that_is_not_there(world: World) -> None:
    world.server.close()
    assert world.refused()


def test_who_says_nothing_is_sent_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mute, or in the middle of the login; whoever has logged in stays, however still."""
    visitor, served = world.logged_in()
    mute, _ = world.admitted()
    half, _ = world.admitted()
    half.sendall(b"RFB 003.008\n\x02")
    monkeypatch.setattr(vnc_gate, "LOGIN_WITHIN", 0.1)
    assert over(mute) and over(half)
    served.sendall(b"a picture")
    assert rfb.receive(visitor, 9) == b"a picture"


def test_one_address_has_so_many(world: World) -> None:
    """The next is refused without a word to the server; others are let in."""
    for _ in range(vnc_gate.MOST_OF_ONE):
        world.admitted()
    assert world.refused()
    world.admitted("127.0.0.9")


def test_who_has_not_logged_in_makes_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one address there may be a whole office. The oldest goes first, and nobody who is shown pictures."""
    seen = world.logged_in()
    mute = [world.admitted()[0] for _ in range(vnc_gate.MOST_OF_ONE - 1)]
    monkeypatch.setattr(vnc_gate, "GRACE", 0.0)
    world.logged_in()
    assert over(mute[0]) and not over(mute[1], 0.1)
    seen[1].sendall(b"a picture")
    assert rfb.receive(seen[0], 9) == b"a picture"


def test_there_is_an_end_to_all_addresses(world: World) -> None:
    world.gate.most = 3
    for number in range(3):
        world.logged_in(f"127.0.1.{number + 1}")
    assert world.refused("127.0.1.9")


def test_who_reads_nothing_is_in_nobodys_way(world: World) -> None:
    """What the server has for them stays with the server, however much it is."""
    _, served = world.admitted()
    served.setblocking(False)
    with pytest.raises(BlockingIOError):
        for _ in range(2000):
            served.send(bytes(65536))
    begun = time.monotonic()
    world.logged_in()
    assert time.monotonic() - begun < vnc_gate.GRACE / 2
    assert sum(len(data) for line in world.gate.lines for data in line.waiting.values()) <= vnc_gate._CHUNK


def test_a_dead_line_is_let_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged and no end is told, whether something is on its way or not."""
    monkeypatch.setattr(vnc_gate, "DEAD_AFTER", 2)
    monkeypatch.setattr(vnc_gate, "PROBED_AFTER", 1)
    still, moving = world.logged_in(), world.logged_in()
    for visitor, _ in (still, moving):
        cut(visitor)
    moving[1].sendall(PICTURE)
    assert over(still[1]) and over(moving[1])
    assert vnc_gate.DEAD_AFTER + vnc_gate.PROBED_AFTER <= 120


def test_each_address_is_known_to_the_server(world: World) -> None:
    """It locks out who does not log in, and nobody else; the host's own checks never."""
    shown = [world.admitted(source)[1].getpeername()[0] for source in ("127.0.0.1", "127.0.0.7", "127.0.0.1")]
    assert shown[0] == shown[2] != shown[1]
    checks = [world.admitted(rfb.ASKING)[1].getpeername()[0] for _ in range(3)]
    assert len({*shown, *checks}) == 5
