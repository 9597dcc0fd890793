"""A box with services of its own: what is found of them, and how a collision is told."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.facts import neighbours
from operations.facts.neighbours import FoundNeighbours
from spec.neighbours import Neighbours, PortOwner

FOUND = Neighbours(
    programs={"caddy": "/etc/supervisor/conf.d/caddy.conf"},
    owners={
        11443: PortOwner(process=43, command="nginx"),
        11111: PortOwner(process=42, command="python3 /opt/portal.py"),
        5900: PortOwner(process=0, command=""),
        80: PortOwner(process=7, command="x" * 99),
    },
)


def refusal(*public: int, internal: tuple[int, ...] = (), services: tuple[str, ...] = ()) -> str:
    with pytest.raises(ValueError, match=r"^(port|tls_port|service)") as caught:
        FOUND.refuse(public=public, internal=internal, services=services)
    return str(caught.value)


def test_a_taken_public_port_names_its_owner_and_the_way_out() -> None:
    said = "port: 11111 is taken by process 42 (python3 /opt/portal.py): stop it, or choose another port with --data"
    assert refusal(11111).startswith(said)
    assert refusal(11112, 11443).startswith(
        "tls_port: 11443 is taken by process 43 (nginx): stop it, or choose another"
    )
    assert f"process 7 ({'x' * 77}...)" in refusal(80)


def test_a_taken_port_inside_has_no_other_way_than_to_free_it() -> None:
    said = (
        "port 5900, which this variant needs on loopback, is taken by a process that cannot be seen from here: stop it"
    )
    assert refusal(11112, internal=(6080, 5900)) == said


def test_a_program_of_the_same_name_is_not_replaced() -> None:
    """supervisord would merge both sections into one program."""
    said = "service caddy: /etc/supervisor/conf.d/caddy.conf has a program of this name already"
    assert refusal(11112, services=("xvfb", "caddy")).startswith(said)


def test_what_collides_with_nothing_is_welcome() -> None:
    FOUND.refuse(public=(11112,), internal=(6080,), services=("xvfb",))


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def look(folder: Path, *ports: int, user: str = "nobody") -> Neighbours:
    """What the fact finds on this machine, with its script run as on a host; `user`'s sockets count as ours."""
    words = ["neighbours", str(folder), "visomaster-", f"no-such-user {user}", " ".join(map(str, ports))]
    done = subprocess.run(["sh", "-c", neighbours._LOOK, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return FoundNeighbours().process(done.stdout.splitlines())


def test_the_owner_of_a_port_is_found(tmp_path: Path, listener: int) -> None:
    """By the kernel's table and /proc alone: a bare box has no ss."""
    found = look(tmp_path, listener, 1)
    assert list(found.owners) == [listener]
    assert found.owners[listener].process == os.getpid()
    assert "pytest" in found.owners[listener].command


def test_an_owner_whose_command_has_several_lines_is_one_line(tmp_path: Path) -> None:
    code = """import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
input()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as process:
        assert process.stdout and process.stdin
        port = int(process.stdout.readline())
        owner = look(tmp_path, port).owners[port]
        process.stdin.close()
    assert owner.process == process.pid
    assert "import socket listener =" in owner.command


def test_our_own_listeners_are_no_neighbours(tmp_path: Path, listener: int) -> None:
    """A second run finds the first one's services."""
    assert look(tmp_path, listener, user=pwd.getpwuid(os.getuid()).pw_name) == Neighbours()


def test_programs_of_a_boxs_own_are_found(tmp_path: Path) -> None:
    assert look(tmp_path / "none") == look(tmp_path) == Neighbours()
    (tmp_path / "visomaster-xvfb.conf").write_text("[program:xvfb]\n")
    (tmp_path / "portal.conf").write_text("[program:caddy]\ncommand=caddy\n; [program:no]\n[program:cron]\n")
    assert look(tmp_path).programs == {"caddy": f"{tmp_path}/portal.conf", "cron": f"{tmp_path}/portal.conf"}
