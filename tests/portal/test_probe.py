"""The checks that `visomaster-ready` makes of the portal."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from visomaster_host.host import Host
from visomaster_host.portal import probe
from visomaster_host.problems import NotReady, Warned

from tests.portal import rig

HOST = Host(
    application="sandbox",
    window_title="VisoMaster",
    access="portal",
    models="build",
    port=11111,
    tls_port=11443,
    display=":1",
    commit="0",
    services=("visomaster_caddy",),
    cuda_libraries=(),
)


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, int]]:
    """A server that says `answer` to the first visitor."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(5)


def test_a_greeting_through_the_websocket() -> None:
    """101 and the banner in a frame."""
    with answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x82\x0cRFB 003.008\n") as address:
        assert "greeting" in probe.websocket(HOST, address)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 405 No\r\n\r\n", b"", b"RFB 003.008\n"]
)
def test_no_greeting(answer: bytes) -> None:
    """websockify alone is not a desktop."""
    with answering(answer) as address, pytest.raises(NotReady, match="greeting"):
        probe.websocket(HOST, address)


def test_nobody_there() -> None:
    """One line that names the port."""
    port = rig.free_port()
    with pytest.raises(NotReady, match=f"port {port}: nobody listens there"):
        probe.websocket(HOST, ("127.0.0.1", port))
    with pytest.raises(NotReady, match=f"port {port}"):
        probe.caddy(dataclasses.replace(HOST, port=port))


@pytest.mark.parametrize(("https", "said"), [(False, "answers"), (True, "answers over TLS")])
def test_caddy_answers(folder: Path, https: bool, said: str) -> None:
    """With and without TLS."""
    with rig.running(folder, rig.wanted(token=rig.TOKEN, enable_https=https)) as portal:
        host = dataclasses.replace(HOST, port=portal.port, tls_port=portal.tls_port)
        assert probe.caddy(host) == f"port {portal.port} {said}, port {portal.tls_port} over TLS"


def test_a_portal_without_its_second_port_warns(folder: Path) -> None:
    """Who is on the first one is not kept from the desktop."""
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal:
        host = dataclasses.replace(HOST, port=portal.port, tls_port=rig.free_port())
        with pytest.raises(Warned, match=f"port {host.tls_port} does not answer over TLS; port {portal.port} does"):
            probe.caddy(host)


def test_the_service_for_files(portal: rig.Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it answers; without it a person has a desktop, and is told."""
    socket_path = rig.sockets(portal.folder) / "files.sock"
    monkeypatch.setattr(probe.paths, "FILES_SOCKET", socket_path)
    assert probe.files(HOST) == "the service answers"
    monkeypatch.setattr(probe.paths, "FILES_SOCKET", socket_path.with_name("none.sock"))
    with pytest.raises(Warned, match=r"^files cannot go up or down: the service on .*none\.sock: nobody listens there"):
        probe.files(HOST)
    monkeypatch.setattr(probe.paths, "FILES_SOCKET", socket_path.with_name("pages.sock"))
    with pytest.raises(Warned, match=r"does not answer /list$"):
        probe.files(HOST)
