"""Lines that stand still and lines that are dead: the first are kept, the others let go, at every hop.

What takes a minute on a host takes seconds here: only the numbers differ.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from visomaster_host import websockify
from visomaster_host.portal import front

from sandbox import tools
from tests.portal import rig, wire

PACKAGE = rig.SHARE.parents[2] / "lib/visomaster"
HURRIED = "import visomaster_host.websockify as it; it.HEARTBEAT, it.PATIENCE = 1, 3.0; it.main()"
DEAD_AFTER = 2  # seconds


@pytest.fixture(scope="module")
def screen() -> Iterator[wire.Screen]:
    served = wire.Screen()
    yield served
    served.close()


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory, screen: wire.Screen) -> Iterator[rig.Portal]:
    """A portal with the real websockify; both have less patience than on a host."""
    folder = tmp_path_factory.mktemp("lines")
    unpacked = tools.UNPACKED / "usr/lib/python3/dist-packages"
    environment = {**os.environ, "PYTHONPATH": f"{PACKAGE}:{unpacked}"}
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(front, "DEAD_AFTER", f"{DEAD_AFTER}s")
        patch.setattr(front, "PROBED_AFTER", "1s")
        portal = stack.enter_context(rig.running(folder, rig.wanted(token=rig.TOKEN)))
        portal.websockify.close()
        port = portal.websockify.port
        command = ["/usr/bin/python3", "-c", HURRIED, f"127.0.0.1:{port}", f"127.0.0.1:{screen.port}"]
        log = stack.enter_context((folder / "websockify.log").open("ab"))
        process = subprocess.Popen(command, env=environment, cwd="/", stdout=log, stderr=log)
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)
        rig.wait_for_port(port, process)
        yield portal


def ends(connection: socket.socket, seconds: float) -> float:
    """How long it took until websockify let the screen's `connection` go. Raises `TimeoutError`."""
    begin = time.monotonic()
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begin


def held(viewer: socket.socket, port: int) -> bool:
    """Whether the portal's end of the connection of `viewer` is there."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    ends = (f":{port:04X}", f":{viewer.getsockname()[1]:04X}")
    return any((line[1][-5:], line[2][-5:]) == ends for line in lines)


def websockify_said(portal: rig.Portal) -> str:
    return (portal.folder / "websockify.log").read_text()


def test_a_still_desktop_is_kept_open(hurried: rig.Portal, screen: wire.Screen) -> None:
    """Behind a proxy that ends what is idle: pings go out, their answers come back, and a viewer who says nothing else
    stays for longer than either would wait."""
    proxy = wire.Between(hurried.port, seconds=2.2)
    try:
        with wire.viewer(hurried, proxy.port) as viewer, screen.accept() as served:
            begin = time.monotonic()
            while time.monotonic() - begin < 5:
                assert viewer.frame() == (wire.PING, b"")
                viewer.send(wire.PONG)
            served.sendall(b"a picture")
            assert viewer.frame() in ((wire.BINARY, b"a picture"), (wire.PING, b""))
    finally:
        proxy.close()


def test_pings_are_quicker_than_the_shortest_proxy() -> None:
    """Proxies end what is idle after 60 s, some after 30: one ping may be lost. A few are answered within patience."""
    assert 2 * (websockify.HEARTBEAT + 1) < 30 + 3
    assert websockify.PATIENCE >= 3 * websockify.HEARTBEAT
    assert websockify.PATIENCE <= 120


def test_a_viewer_who_answers_no_ping_is_let_go(hurried: rig.Portal, screen: wire.Screen) -> None:
    """Whose proxy takes all that is sent, while nobody is behind it any more; the log says so in one line."""
    with wire.viewer(hurried) as viewer, screen.accept() as served:
        assert 2 < ends(served, 10) < 8
        while frame := viewer.frame():
            assert frame == (wire.PING, b"")
    sentence = re.compile("no answer from the viewer for [3-6] s, let go$", re.MULTILINE)
    rig.wait_until(lambda: sentence.search(websockify_said(hurried)) is not None, "the line in the log")
    assert "Traceback" not in websockify_said(hurried)


def test_a_dead_line_is_let_go(hurried: rig.Portal, screen: wire.Screen) -> None:
    """Nothing is acknowledged, nothing comes, no end is told: HAProxy, Caddy and websockify all let go of it."""
    with wire.viewer(hurried) as viewer, screen.accept() as served:
        viewer.cut()
        assert ends(served, 10) < 8
        rig.wait_until(lambda: not held(viewer.connection, hurried.port), "HAProxy lets go")


def test_a_viewer_who_reads_nothing_is_let_go(hurried: rig.Portal, screen: wire.Screen) -> None:
    """A machine that was put to sleep in the middle of a picture: what is on its way is in nobody's way for long."""
    with wire.viewer(hurried, buffer=4096), screen.accept() as served:
        with contextlib.suppress(ConnectionError):  # websockify may take it all, or be in the middle of it
            served.sendall(bytes(30_000_000))
        ends(served, 10)


def test_a_slow_line_is_no_dead_one(hurried: rig.Portal, screen: wire.Screen) -> None:
    """A picture that takes longer than several pings arrives whole, and whoever waits for it stays."""
    size, got, said = 24_000_000, 0, 0.0
    with wire.viewer(hurried, buffer=131072) as viewer, screen.accept() as served:
        sending = threading.Thread(target=served.sendall, args=(bytes(size),))
        sending.start()
        while got < size:
            kind, content = viewer.frame() or (0, b"")
            assert kind in (wire.BINARY, wire.PING), websockify_said(hurried)
            got += len(content)
            time.sleep(len(content) / 6e6)  # that is how slow the line is
            if time.monotonic() - said > 0.5:
                viewer.send(wire.PONG)
                said = time.monotonic()
        sending.join(5)
    assert got == size
