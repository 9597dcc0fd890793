"""SSH as pyinfra uses it here, against a small SSH server on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import paramiko
import pytest
import testinfra
import testinfra.backend.paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

from connectors import transport

ROOT = Path(__file__).resolve().parents[2]
PYINFRA = str(Path(sys.executable).parent / "pyinfra")


class _Door(paramiko.ServerInterface):
    """Lets everybody with the password in, to run commands."""

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if password == "open" else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        channel.command = command
        return True


def _handle_request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Run the command after its request is confirmed: a channel that ends before looks like a refusal."""
    paramiko.Channel._handle_request(channel, message)
    command = channel.__dict__.pop("command", None)
    if command is not None:
        threading.Thread(target=_answer, args=(channel, command), daemon=True).start()


class _Transport(paramiko.Transport):
    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,
        MSG_CHANNEL_REQUEST: _handle_request,
    }


def _answer(channel: paramiko.Channel, command: bytes) -> None:
    done = subprocess.run(["sh", "-c", command.decode()], capture_output=True, check=False)
    channel.sendall(done.stdout)
    channel.sendall_stderr(done.stderr)
    channel.send_exit_status(done.returncode)
    channel.close()


@dataclass
class Server:
    """An SSH server on a loopback port, whose host key a test can change."""

    key: paramiko.PKey = field(default_factory=lambda: paramiko.ECDSAKey.generate())
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        open_transports = []
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            served = _Transport(connection)
            served.add_server_key(self.key)
            served.start_server(event=threading.Event(), server=_Door())  # an event: do not wait for the client
            open_transports.append(served)


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    running = Server()
    threading.Thread(target=running.serve, daemon=True).start()
    yield running
    running.listener.shutdown(socket.SHUT_RDWR)
    running.listener.close()


def run(server: Server, home: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of plain `pyinfra my-box …`, where my-box stands in the user's ssh config."""
    (home / ".ssh").mkdir(exist_ok=True)
    config = f"Host my-box\n  HostName 127.0.0.1\n  Port {server.port}\n  User somebody\n"
    (home / ".ssh/config").write_text(config)
    known_hosts = f"ssh_known_hosts_file={home}/known_hosts"
    result = subprocess.run(
        [PYINFRA, "--ssh-password", "open", "--data", known_hosts, "my-box", *arguments],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), "PYINFRA_PROGRESS": "off"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


def test_a_host_of_the_ssh_config_is_reached_by_its_name(server: Server, tmp_path: Path) -> None:
    """No inventory, no options: the key met first is kept in the given file, and only there."""
    status, output = run(server, tmp_path, "exec", "--", "true")
    assert status == 0, output
    assert f"[127.0.0.1]:{server.port} ecdsa-sha2-nistp256 " in (tmp_path / "known_hosts").read_text()
    assert not (tmp_path / ".ssh/known_hosts").exists()


def test_a_changed_host_key_is_refused(server: Server, tmp_path: Path) -> None:
    """Somebody else answers at the address of a box we know: no command reaches it, and the old key stays."""
    run(server, tmp_path, "exec", "--", "true")
    known = (tmp_path / "known_hosts").read_text()
    server.key = paramiko.ECDSAKey.generate()
    status, output = run(server, tmp_path, "exec", "--", f"touch {tmp_path}/reached")
    assert status == 1
    assert "Host key for 127.0.0.1 does not match" in output
    assert not (tmp_path / "reached").exists()
    assert (tmp_path / "known_hosts").read_text() == known


def test_packets_are_sent_at_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket below has TCP_NODELAY, and the folder for host keys is there once somebody connects."""
    monkeypatch.setattr(transport, "KNOWN_HOSTS", tmp_path / "state/known_hosts")
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        made = transport.transport(sock)
        made.close()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_packets_through_a_jump_host_are_sent_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel through a jump host is no socket; the one that carries it is found."""
    monkeypatch.setattr(transport, "KNOWN_HOSTS", tmp_path / "state/known_hosts")
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        jump = paramiko.Transport(sock)
        jump.connect(username="somebody", password="open")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        channel = jump.open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 2))
        transport.transport(channel).close()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        jump.close()


def test_testinfra_holds_to_the_same_keys(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own client would take any key: here a new host is remembered and a changed one refused."""
    monkeypatch.setattr(transport, "KNOWN_HOSTS", tmp_path / "state/known_hosts")
    monkeypatch.setattr(testinfra.backend.paramiko.paramiko, "SSHClient", transport.Client)
    address = f"paramiko://somebody:open@127.0.0.1:{server.port}"
    assert testinfra.get_host(address).run("echo hello").stdout == "hello\n"
    assert f"[127.0.0.1]:{server.port} " in (tmp_path / "state/known_hosts").read_text()
    server.key = paramiko.ECDSAKey.generate()
    with pytest.raises(paramiko.BadHostKeyException):
        testinfra.get_host(address, timeout=9).run("true")
