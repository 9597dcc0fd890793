"""SSH as pyinfra uses it here, against a small SSH server on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
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
    """Lets everybody with the password in, to run commands in up to `most` sessions at once."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if password == "open" else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        open_now = self.server.asked.count("session") - self.server.asked.count("end")
        if open_now >= self.server.most:
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        self.server.asked.append("session")
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        channel.command = command
        channel.server = self.server
        return True


def _handle_request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Run the command after its request is confirmed: a channel that ends before looks like a refusal."""
    paramiko.Channel._handle_request(channel, message)
    command = channel.__dict__.pop("command", None)
    if command is not None:
        channel.server.asked.append(command.decode())
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
    channel.server.asked.append("end")
    channel.close()


@dataclass
class Server:
    """An SSH server on a loopback port, whose host key a test can change; `asked` is what it was asked for."""

    most: int = 10
    asked: list[str] = field(default_factory=list)
    connections: list[socket.socket] = field(default_factory=list)
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
            self.connections.append(connection)
            served = _Transport(connection)
            served.add_server_key(self.key)
            served.start_server(event=threading.Event(), server=_Door(self))  # an event: do not wait for the client
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
    assert "Failed to load host keys" not in output


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
    """The socket below has TCP_NODELAY and notices a peer that is gone; the folder for host keys is made for it."""
    monkeypatch.setattr(transport, "KNOWN_HOSTS", tmp_path / "state/known_hosts")
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        made = transport.transport(sock)
        made.close()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


@pytest.fixture
def client(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[transport.Client]:
    """A client connected to the server over our transport."""
    monkeypatch.setattr(transport, "KNOWN_HOSTS", tmp_path / "state/known_hosts")
    with transport.Client() as connected:
        options = {"allow_agent": False, "look_for_keys": False}
        connected.connect("127.0.0.1", server.port, username="somebody", password="open", **options)
        yield connected


def said(client: transport.Client, command: str) -> tuple[int, str, str]:
    """A command's exit status, output and errors."""
    _, output, errors = client.exec_command(command, timeout=20)
    return output.channel.recv_exit_status(), output.read().decode(), errors.read().decode()


def test_the_next_session_is_opened_while_a_command_runs(server: Server, client: transport.Client) -> None:
    """A command does not wait for its session, which would cost a round trip: it is there already."""
    assert said(client, "echo one; sleep 0.5; echo two >&2; exit 3") == (3, "one\n", "two\n")
    assert said(client, "sleep 0.5") == (0, "", "")
    assert sorted(server.asked[:3]) == ["echo one; sleep 0.5; echo two >&2; exit 3", "session", "session"]
    assert sorted(server.asked[3:6]) == ["end", "session", "sleep 0.5"]


def test_commands_work_where_one_session_is_allowed(server: Server, client: transport.Client) -> None:
    """A server that refuses the session opened ahead is used as if there were none."""
    server.most = 1
    for number in range(3):
        assert said(client, f"echo {number}") == (0, f"{number}\n", "")


def test_a_session_that_ended_before_it_was_used_is_not_used(server: Server, client: transport.Client) -> None:
    """A server may close what is idle."""
    assert said(client, "true")[0] == 0
    ahead = client.get_transport()._ahead
    ahead.take().close()
    assert said(client, "echo again") == (0, "again\n", "")


def cut_after(server: Server, word: str) -> None:
    """Have the connection cut once the server was asked for something with `word` in it."""

    def wait_and_cut() -> None:
        deadline = time.monotonic() + 30
        while not any(word in asked for asked in server.asked) and time.monotonic() < deadline:
            time.sleep(0.02)
        server.connections[-1].shutdown(socket.SHUT_RDWR)

    threading.Thread(target=wait_and_cut, daemon=True).start()


def test_a_lost_connection_is_named(server: Server, tmp_path: Path) -> None:
    """In the middle of a command: the run says so in one line and fails, no traceback and no endless wait."""
    cut_after(server, "sleep 30")
    status, output = run(server, tmp_path, "exec", "--", "sleep 30")
    assert status == 1
    assert output.count(f"The SSH connection to 127.0.0.1:{server.port} was lost") == 1
    assert "Traceback" not in output


def test_a_box_that_restarts_between_two_commands_fails_the_run(server: Server, tmp_path: Path) -> None:
    """It may have come back as another one: the run ends and says why, and the next run finds what is left to do."""
    deploy = tmp_path / "deploy.py"
    deploy.write_text(
        "import time\nfrom pyinfra.operations import python, server\n"
        "server.shell(name='first', commands=['echo first'])\n"
        "python.call(name='meanwhile', function=lambda: time.sleep(1))\n"
        "server.shell(name='second', commands=['echo second'])\n"
    )
    cut_after(server, "end")
    status, output = run(server, tmp_path, str(deploy), "-y")
    assert status == 1
    assert output.count(f"The SSH connection to 127.0.0.1:{server.port} was lost") == 1
    assert "Traceback" not in output
    assert not any("echo second" in asked for asked in server.asked)


def test_an_end_as_planned_is_no_loss(server: Server, tmp_path: Path) -> None:
    """Leaving is not complained about."""
    assert "lost" not in run(server, tmp_path, "exec", "--", "true")[1]


def test_the_end_of_the_program_is_no_loss(client: transport.Client, caplog: pytest.LogCaptureFixture) -> None:
    """As paramiko ends connections that are open then: of ten boxes at once two were said to be lost."""
    assert said(client, "true")[0] == 0
    ending = client.get_transport()
    ending.stop_thread()
    ending.join(30)
    assert not ending.is_alive() and "lost" not in caplog.text


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
    host = testinfra.get_host(address)
    assert host.run("echo hello").stdout == "hello\n"
    host.backend.client.close()
    assert f"[127.0.0.1]:{server.port} " in (tmp_path / "state/known_hosts").read_text()
    server.key = paramiko.ECDSAKey.generate()
    with pytest.raises(paramiko.BadHostKeyException):
        testinfra.get_host(address, timeout=9).run("true")
