"""What the end-to-end tests do to this machine's Docker engine, and take back."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.engine import docker_command

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LABEL = "org.visomaster.test"


def run(command: Sequence[str | Path], timeout: float = 600, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program, its output captured; what is no UTF-8 in it, as in anybody's greeting, stands as U+FFFD."""
    options = {"text": True, "errors": "replace", **options}
    return subprocess.run(command, capture_output=True, timeout=timeout, check=False, **options)  # type: ignore[call-overload,no-any-return]


def docker(*words: str, timeout: float = 600) -> str:
    """Run the Docker client; what it prints. Fails the test with its error when it fails."""
    done = run([docker_command(), *words], timeout=timeout)
    assert done.returncode == 0, f"docker {' '.join(words[:3])}: {done.stderr}"
    return done.stdout.strip()


def pyinfra(*arguments: str, cwd: Path = ROOT, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """Run the project's pyinfra as a person would, in `cwd`; `stderr` is what they would see."""
    return run([BIN / "pyinfra", *arguments], timeout=timeout, cwd=cwd, env={**os.environ, "PYINFRA_PROGRESS": "off"})


@dataclass(frozen=True, kw_only=True)
class Container:
    """A running container."""

    name: str

    def run(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root."""
        return run([docker_command(), "exec", self.name, *command], timeout=timeout)

    def output(self, *command: str) -> str:
        """What a command in it prints; fails the test when it fails."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait_ready(self, seconds: int = 120) -> None:
        """Wait until a person could use its desktop."""
        ready = self.run("visomaster-ready", "--wait", str(seconds))
        assert ready.returncode == 0, ready.stdout + docker("logs", self.name)

    def logged(self, good: Callable[[str], object], seconds: float = 60) -> str:
        """What its log shows as soon as that is `good`: lines come there one by one, and later than what they tell of
        is to be seen. Raises `AssertionError` when time is over."""
        deadline = time.monotonic() + seconds
        while not good(said := docker("logs", self.name)):
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return said


@contextmanager
def container(image: str, *options: str, command: Sequence[str] = ()) -> Iterator[Container]:
    """A container of `image`, removed at the end."""
    name = docker("run", "--detach", f"--label={LABEL}=1", *options, image, *command)[:12]
    try:
        yield Container(name=name)
    finally:
        docker("rm", "--force", "--volumes", name)


def host_suite(spec: str, *options: str) -> None:
    """Run the host tests against `spec`, a testinfra address. Fails the test with their output when one fails."""
    suite = run([BIN / "python", "-m", "pytest", "tests/host", f"--hosts={spec}", "-q", "-rs", *options], cwd=ROOT)
    assert suite.returncode == 0, suite.stdout + suite.stderr
    print(f"\n{spec}: {suite.stdout.strip().splitlines()[-1]}")


def wait_for_sshd(port: int, seconds: float = 60) -> None:
    """Wait until sshd greets: a fresh box makes its host keys first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            if connection.recv(4) == b"SSH-":
                return
        time.sleep(0.2)
    raise AssertionError(f"no sshd on port {port} after {seconds} s")


def forget_host_key(port: int) -> None:
    """A box that was removed gave its address to another one: its key is forgotten as a person would do it."""
    known = ROOT / ".state/known_hosts"
    if known.exists():
        run(["ssh-keygen", "-f", known, "-R", f"[127.0.0.1]:{port}"])
