"""Rented boxes as containers: the platform's launch script is process 1, and the way in is sshd on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import desktop
from spec.here import ROOT
from tests.e2e.machine import BIN, Container, container, docker, forget_host_key, host_suite, run, wait_for_sshd
from tests.portal.rig import free_port

LAUNCH = ROOT / "tests/drills/launch.sh"
APPLY_WITHIN = 900
RESTART_READY_WITHIN = 60
"""Seconds from `docker restart` until a person could use the desktop again, by the on-start line alone."""


def new_key(folder: Path) -> Path:
    """A key pair for the boxes of a test."""
    path = folder / "id_ed25519"
    assert run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]).returncode == 0
    return path


def settings(asset_server: str, *pairs: str) -> list[str]:
    """pyinfra's arguments for the sandbox's application, with more `--data`."""
    pairs = ("application=sandbox", f"mirrors={desktop.mirrors(asset_server)}", *pairs)
    return [word for pair in pairs for word in ("--data", pair)]


@dataclass(frozen=True, kw_only=True)
class LiveBox(Container):
    """A running box, reached as root by `key` through `port` of this machine."""

    port: int
    key: Path

    @property
    def address(self) -> tuple[str, ...]:
        """pyinfra's arguments that reach it."""
        return ("127.0.0.1", "--ssh-port", str(self.port), "--ssh-user", "root", "--ssh-key", str(self.key))

    def arguments(self, asset_server: str, *pairs: str) -> list[str]:
        """pyinfra's arguments for one run with more `--data`."""
        return [*self.address, "deploy.py", "-y", *settings(asset_server, *pairs)]

    def begin(self, log: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """A run that is left alone, its output going to `log`."""
        with log.open("wb") as output:
            return subprocess.Popen(
                [BIN / "pyinfra", *arguments],
                cwd=ROOT,
                env={**os.environ, "PYINFRA_PROGRESS": "off"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ssh(self, command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command as a login does, through sshd and PAM."""
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        words = [word for option in options for word in ("-o", option)]
        return run(["ssh", *words, "-p", str(self.port), "-i", self.key, "root@127.0.0.1", command], timeout=timeout)

    def host_suite(self) -> None:
        """The host tests as a person would run them against it."""
        host_suite(f"paramiko://root@127.0.0.1:{self.port}", f"--ssh-identity-file={self.key}")

    def restart(self) -> float:
        """Stop and start the container, as the platform does; seconds until its desktop was ready again.

        Nothing but the on-start line may make it so.
        """
        docker("restart", "--time=2", self.name)
        begun = time.monotonic()
        wait_for_sshd(self.port)
        while self.run("visomaster-ready").returncode:
            assert time.monotonic() - begun < RESTART_READY_WITHIN, self.run("cat", "/var/log/onstart.log").stdout
            time.sleep(0.5)
        return time.monotonic() - begun

    def processes(self, name: str) -> list[str]:
        """The processes whose program is called exactly so."""
        return self.run("pgrep", "--exact", name).stdout.split()

    def listeners(self) -> dict[str, str]:
        """Every listening TCP address, and what `ss` says of its process."""
        lines = [line.split() for line in self.output("ss", "-H", "-ltnp").splitlines()]
        return {line[3]: line[-1] for line in lines}

    def written(self) -> set[str]:
        """The files that differ from the image's, but for what each login leaves."""
        paths = {line.split(" ", 1)[1] for line in docker("diff", self.name).splitlines()}
        return {path for path in paths if not path.startswith(("/run", "/var/log"))}

    def services(self) -> set[str]:
        """The programs that the box's supervisord knows."""
        return {line.split()[0] for line in self.run("supervisorctl", "status").stdout.splitlines()}

    def credentials(self) -> dict[str, str]:
        """How to log in."""
        found: dict[str, str] = json.loads(self.output("visomaster-credentials", "--json"))
        return found


@contextmanager
def live_box(
    image: str,
    key: Path,
    mode: str = "ssh",
    onstart: str = "",
    environment: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
) -> Iterator[LiveBox]:
    """A box of `image` in the launch mode `mode` with an on-start line; removed at the end.

    `ssh` and `jupyter` replace the image's ENTRYPOINT; with `own` the image's own process 1 does what they do. `more`
    are options of `docker run`.
    """
    port = free_port()
    variables = {**(environment or {}), "SSH_PUBLIC_KEY": key.with_suffix(".pub").read_text().strip()}
    script = key.parent / f"onstart-{port}.sh"
    script.write_text(f"#!/bin/bash\n{onstart}\n")
    options = [f"--publish=127.0.0.1:{port}:22", f"--volume={script}:/root/onstart.sh:ro"]
    options += [f"--env={name}={value}" for name, value in variables.items()]
    options += more
    if mode != "own":
        options += [f"--volume={LAUNCH}:/.launch:ro", "--entrypoint=/.launch"]
    forget_host_key(port)
    with container(image, *options, command=() if mode == "own" else (mode,)) as box:
        wait_for_sshd(port, seconds=120)
        yield LiveBox(name=box.name, port=port, key=key)
