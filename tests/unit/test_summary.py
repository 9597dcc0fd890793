"""The box that each way to a desktop ends with."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from visomaster_host import way_in
from visomaster_host.host import Host
from visomaster_host.settings import Settings
from visomaster_host.summary import RENTED, Summary, tunnel

from tests.unit.test_host_facts import host

BOX = Summary(title="It runs", open=("here", "or there"), log_in=("so",), stop=("never",), check=("often",))
VNC = host()
PORTAL = host(access="portal", port=11111)


def said(settings: Settings, described: Host = PORTAL) -> str:
    return "\n".join(way_in.summary(described, settings).lines())


def test_its_parts_stand_in_a_column() -> None:
    assert BOX.lines() == [
        "-- It runs -------",
        "  Open    here",
        "          or there",
        "  Log in  so",
        "  Stop    never",
        "  Check   often",
        "-" * 18,
    ]


def test_what_others_wrote_is_made_printable() -> None:
    assert all(line.isprintable() for line in replace(BOX, open=("\x1b[31mred\nnew",)).lines())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for stream, has in ((Terminal(), True), (io.StringIO(), False)):
        BOX.tell(stream)
        assert ("\x1b[32m" in stream.getvalue()) is has


@pytest.mark.parametrize(
    ("ssh", "command"),
    [
        ("ssh box", "ssh -L 11111:127.0.0.1:11111 box"),
        ("ssh -p 2222 root@192.0.2.1", "ssh -L 11111:127.0.0.1:11111 -p 2222 root@192.0.2.1"),
    ],
)
def test_a_tunnel_is_an_ssh_command(ssh: str, command: str) -> None:
    assert tunnel(ssh, 11111) == command


def test_a_container_says_how_its_port_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name that the engine knows it by; with an address of its start, by that."""
    monkeypatch.setattr("socket.gethostname", lambda: "3f9a0c12beef")
    text = said(Settings())
    assert "http://127.0.0.1:11111/ where the container was started with -p 11111:11111" in text
    assert "ssh -L 11111:127.0.0.1:11111 USER@HOST" in text
    for command in ("docker exec 3f9a0c12beef visomaster-credentials", "docker stop 3f9a0c12beef", RENTED):
        assert command in text
    assert "make verify HOST=docker://3f9a0c12beef" in text
    known = said(Settings(public_address="127.0.0.1:5901"), VNC)
    assert "Open    127.0.0.1:5901 in a VNC client" in known and "ssh" not in known


def test_a_container_with_a_name_of_its_own_is_not_called_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostname that somebody chose is not what the engine knows."""
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    assert "docker stop CONTAINER" in said(Settings())


def test_on_vast_it_is_the_published_address_or_a_tunnel() -> None:
    published = said(Settings(container_label="C.1", public_address="192.0.2.7:40111"))
    assert "Open    http://192.0.2.7:40111/" in published and "-L" not in published
    hidden = said(Settings(container_label="C.1"))
    assert "ssh -L 11111:127.0.0.1:11111 -p PORT USER@HOST, then" in hidden and "http://127.0.0.1:11111/" in hidden
    assert "make end BOX=NUMBER" in hidden and "Vast's console" in hidden and RENTED in hidden
