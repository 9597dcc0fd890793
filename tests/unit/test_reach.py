"""What the deploy reaches, `make verify` reaches too, and where one cannot both say why in a line."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import paramiko
import pytest

from connectors import reach, transport
from spec.here import ROOT
from tests.host import reached
from tests.unit import test_transport as simple

PYINFRA = simple.PYINFRA
PYTHON = sys.executable


class Door(simple._Door):
    """Lets every key in but a user's called `nobody`, and leads on to other ports of this machine."""

    served: paramiko.Transport

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_FAILED if username == "nobody" else paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        threading.Thread(target=self._lead, args=(destination,), daemon=True).start()
        return paramiko.OPEN_SUCCEEDED

    def _lead(self, destination: tuple[str, int]) -> None:
        channel = self.served.accept(20)
        assert channel is not None
        with socket.create_connection(destination) as onward:
            back = threading.Thread(target=_copy, args=(onward, channel), daemon=True)
            back.start()
            _copy(channel, onward)
            back.join(20)


def _copy(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError, EOFError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR) if isinstance(sink, socket.socket) else sink.shutdown_write()


class _Transport(simple._Transport):
    """Runs commands with what is sent to them, as sshd does."""

    _channel_handler_table: ClassVar[dict[int, Any]] = {**simple._Transport._channel_handler_table}


def _handle_request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    paramiko.Channel._handle_request(channel, message)
    command = channel.__dict__.pop("command", None)
    if command is not None:
        channel.server.asked.append(command.decode())
        threading.Thread(target=_answer, args=(channel, command), daemon=True).start()


_Transport._channel_handler_table[simple.MSG_CHANNEL_REQUEST] = _handle_request


def _answer(channel: paramiko.Channel, command: bytes) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", command.decode()], stdin=pipe, stdout=pipe, stderr=pipe) as process:

        def send_in() -> None:
            with contextlib.suppress(OSError):
                while piece := channel.recv(65536):
                    process.stdin.write(piece)
                process.stdin.close()

        threading.Thread(target=send_in, daemon=True).start()
        channel.sendall(process.stdout.read())
        channel.sendall_stderr(process.stderr.read())
    channel.send_exit_status(process.returncode)
    channel.server.asked.append("end")
    channel.close()


class Server(simple.Server):
    """As the simple one, and a way to others; it has no SFTP."""

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        kept = []
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            served, door = _Transport(connection), Door(self)
            door.served = served
            served.add_server_key(self.key)
            served.start_server(event=threading.Event(), server=door)
            kept.append(served)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """A jump host and a box."""
    running = Server(), Server()
    for server in running:
        threading.Thread(target=server.serve, daemon=True).start()
    yield running
    for server in running:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()


class Person:
    """Somebody with an ssh config and a key, whose folder with host keys is empty; without a terminal."""

    def __init__(self, home: Path, jump: Server, box: Server) -> None:
        self.home, self.known = home, home / "state/known_hosts"
        (home / ".ssh").mkdir()
        key = home / ".ssh/key"
        paramiko.ECDSAKey.generate().write_private_key_file(str(key))
        common = f"  HostName 127.0.0.1\n  User root\n  IdentityFile {key}\n"
        (home / ".ssh/config").write_text(
            f"Host jump\n{common}  Port {jump.port}\nHost box\n{common}  Port {box.port}\n  ProxyJump jump\n"
            f"Host refused\n  User nobody\n{common}  Port {box.port}\nHost direct\n{common}  Port {box.port}\n"
        )
        # The checkout's own file of host keys stays clean of these servers.
        (home / "sitecustomize.py").write_text(
            "import pathlib, sys\nsys.path.insert(0, " + repr(str(ROOT)) + ")\n"
            "if sys.argv[0].endswith('pyinfra'):\n    import pyinfra_cli\n"
            "import spec.here\n"
            "from connectors import transport\n"
            f"transport.KNOWN_HOSTS = pathlib.Path({str(self.known)!r})\n"
        )
        self.known.parent.mkdir()

    def run(self, *command: str) -> tuple[int, str]:
        """Exit status and output of a command of theirs."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "HOME": str(self.home), "PYTHONPATH": str(self.home), "PYINFRA_PROGRESS": "off"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, start_new_session=True,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr

    def pyinfra(self, *arguments: str) -> tuple[int, str]:
        """Of plain pyinfra."""
        return self.run(PYINFRA, *arguments)

    def verify(self, host: str, *options: str) -> tuple[int, str]:
        """Of what `make verify HOST=…` runs."""
        return self.run(PYTHON, "-m", "pytest", "tests/host", f"--hosts={host}", "-qq", "-pno:warnings", *options)


@pytest.fixture
def person(tmp_path: Path, servers: tuple[Server, Server]) -> Person:
    return Person(tmp_path, *servers)


NOT_SET_UP = "was not set up by deploy.py"


def test_first_contact_through_a_jump_host(person: Person, servers: tuple[Server, Server]) -> None:
    """Both keys are kept, in the project's file alone, and held to: by the deploy and by `make verify`."""
    jump, box = servers
    status, said = person.pyinfra("box", "exec", "--", "true")
    assert status == 0, said
    known = person.known.read_text()
    assert all(f"[127.0.0.1]:{server.port} " in known for server in servers)
    assert not (person.home / ".ssh/known_hosts").exists()
    status, said = person.verify("paramiko://box")
    assert (status, NOT_SET_UP in said or "need root" in said) == (1, True), said
    assert person.known.read_text() == known
    for changed in (box, jump):
        changed.key = paramiko.ECDSAKey.generate()
        command = f"ssh-keygen -f {person.known} -R {shlex.quote(f'[127.0.0.1]:{changed.port}')}"
        for status, said in (person.pyinfra("box", "exec", "--", "true"), person.verify("paramiko://box")):
            assert status == 1 and said.count(command) == 1, said
    assert person.known.read_text() == known


def test_the_printed_command_helps(person: Person, servers: tuple[Server, Server]) -> None:
    """The box is another one now: what is printed is run, and the next run reaches it."""
    _, box = servers
    assert person.pyinfra("direct", "exec", "--", "true")[0] == 0
    box.key = paramiko.ECDSAKey.generate()
    _, said = person.pyinfra("direct", "exec", "--", "true")
    command = "ssh-keygen" + said.partition("ssh-keygen")[2].partition(")")[0]
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    assert person.pyinfra("direct", "exec", "--", "true")[0] == 0


def test_two_boxes_behind_one_jump_host_write_its_key_once(person: Person, servers: tuple[Server, Server]) -> None:
    jump, box = servers
    with (person.home / ".ssh/config").open("a") as config:
        config.write(f"Host two\n  HostName localhost\n  Port {box.port}\n  ProxyJump jump\n  User root\n")
    assert person.pyinfra("box,two", "exec", "--", "true")[0] in (0, 1)
    assert person.known.read_text().count(f"[127.0.0.1]:{jump.port} ") == 1


def test_a_key_that_is_not_there(person: Person) -> None:
    status, said = person.pyinfra("direct", "--ssh-key", "/nowhere/key", "exec", "--", "true")
    assert status == 1 and said.count("No such private key file: /nowhere/key") == 1
    assert said.splitlines()[-1] == "--> Error: direct was not reached, see above"
    status, said = person.verify("paramiko://root@direct", "--ssh-identity-file=/nowhere/key")
    assert status == 1


def test_who_may_not_log_in(person: Person) -> None:
    for status, said in (person.pyinfra("refused", "exec", "--", "true"), person.verify("paramiko://refused")):
        assert status == 1 and "Authentication failed" in said, said


def test_a_way_that_ends_on_the_way(person: Person) -> None:
    """A proxy that fails, a jump host that is not there: a line each, no traceback."""
    ways = {"failing": "ProxyCommand false", "none": "ProxyJump 127.0.0.1:1"}
    with (person.home / ".ssh/config").open("a") as config:
        for name, way in ways.items():
            config.write(f"Host {name}\n  HostName 127.0.0.1\n  Port 1\n  User root\n  {way}\n")
    status, said = person.pyinfra(",".join(ways), "exec", "--", "true")
    assert status == 1
    assert [line.split()[2] for line in said.splitlines() if line.startswith("--> Error")] == list(ways), said
    status, said = person.verify(",".join(f"paramiko://{name}" for name in ways))
    assert status == 1 and all(f"paramiko://{name} cannot be reached: " in said for name in ways), said


def test_a_file_arrives_without_sftp(person: Person) -> None:
    """By itself, byte by byte, at a name that a shell could take for something else."""
    there = person.home / "a 'file'; $HOME"
    deploy = person.home / "deploy.py"
    text = "".join(map(chr, range(1, 3000)))
    deploy.write_text(
        "from io import StringIO\nfrom pyinfra.operations import files\n"
        f"files.put(name='put', src=StringIO({text!r}), dest={str(there)!r})\n"
    )
    status, said = person.pyinfra("direct", str(deploy), "-y")
    assert status == 0 and said.count("sshd has no SFTP there") == 1, said
    assert there.read_bytes() == text.encode()


def test_why_a_file_does_not_arrive(
    servers: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The box's own reason, as the error that pyinfra takes for one."""
    monkeypatch.setattr(transport, "KNOWN_HOSTS", tmp_path / "state/known_hosts")
    with transport.Client() as client:
        client.connect("127.0.0.1", servers[1].port, username="x", password="open", look_for_keys=False)
        for path, reason in (("/proc/nowhere/file", "nonexistent|No such"), ("/dev/full", "No space left")):
            with pytest.raises(OSError, match=f"^{path}: .*({reason})"):
                reach.Piped(client).putfo(BytesIO(b"x"), path)


class Backend:
    """A container, for whose client `docker` an answer stands here."""

    NAME, name, sudo = "docker", "box", False

    @staticmethod
    def get_pytest_id() -> str:
        return "docker://box"


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (
            1,
            "Error response from daemon: No such container: box",
            "cannot be reached: there is no container of that name",
        ),
        (
            1,
            "Error response from daemon: container 0a1b is not running",
            "cannot be reached: the container is stopped; ",
        ),
        (
            1,
            "Cannot connect to the Docker daemon at unix:///x.",
            "cannot be reached: Cannot connect to the Docker daemon",
        ),
        (127, "/bin/sh: 1: docker: not found", "cannot be reached: there is no docker client on this machine's PATH"),
        (126, "", "cannot be reached: a command ended with status 126 and said nothing"),
        (0, "1000", ": the checks need root on the host: use docker://root@box"),
    ],
)
def test_a_container_that_cannot_be_checked(status: int, answer: str, said: str) -> None:
    """Not there, stopped, no engine, no client and not root are told apart."""
    done = SimpleNamespace(rc=status, stdout="" if status else answer, stderr=answer if status else "")
    host = SimpleNamespace(backend=Backend(), run=lambda command: done)
    problem = reached.problem(host)
    assert problem is not None and problem.startswith(f"docker://box{'' if said[0] == ':' else ' '}{said}")


def test_all_hosts_that_cannot_be_checked_are_named(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """One does not hide the other, nor two of one address each other."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    status, said = person.verify("paramiko://root@127.0.0.1:1,paramiko://root@127.0.0.1:2,paramiko://x.invalid")
    assert status == 1
    assert [line.partition(" cannot")[0] for line in said.strip().splitlines()] == [
        "paramiko://root@127.0.0.1:1",
        "paramiko://root@127.0.0.1:2",
        "paramiko://x.invalid",
    ]


@pytest.mark.parametrize("host", ["foo://x", "docker://a,", "paramiko://"])
def test_a_name_of_nobody(host: str) -> None:
    with pytest.raises(pytest.UsageError, match=re.escape(host)):
        reached.attend(host)
