"""A rented machine in a second: an sshd of its own on loopback, as whoever runs the tests."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.portal.rig import free_port

SSHD = "/usr/sbin/sshd"
WITHIN = 10.0
"""Seconds that an sshd has to end."""

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
SetEnv PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin HOME={folder}/home BOX={folder}
"""


class SshdMachine:
    """A login on this very machine that has a folder of its own: `bin/` comes first in its PATH (a test puts stand-ins
    for the host's commands there), `home/` is its HOME, `$BOX` the folder. There is `$BOX/gpu-fails` where the host
    tests are to fail.

    `binds` are places where folders below `folder` stand for this box alone, if root runs the tests.
    """

    address = "127.0.0.1"

    def __init__(self, folder: Path, binds: Mapping[str, str] | None = None) -> None:
        self.folder, self.port = folder, free_port()
        self._binds = binds or {}
        self._sshd: subprocess.Popen[bytes] | None = None
        self._closed = False
        for part in ("bin", "home", *self._binds.values()):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "authorized_keys").touch()

    def start(self, number: int, asked: Mapping[str, Any], api_key: str) -> None:
        """Make the host key, the first time, and run sshd."""
        key, config = self.folder / "host_key", self.folder / "sshd_config"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        config.write_text(CONFIG.format(port=self.port, folder=self.folder))
        command = [SSHD, "-D", "-e", "-f", str(config)]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        if self._binds and os.geteuid() == 0:
            mounts = " && ".join(f"mount --bind {self.folder / part} {place}" for place, part in self._binds.items())
            command = [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                f'{mounts} && exec "$@"',
                "sh",
                *command,
            ]
        with (self.folder / "sshd.log").open("ab") as log:
            self._sshd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ports(self) -> dict[str, list[dict[str, str]]] | None:
        """Its port, once it answers there; after `close_ssh` one where nobody does."""
        if not self._closed:
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), timeout=1):
                return self._published()
            return None
        return self._published()

    def _published(self) -> dict[str, list[dict[str, str]]]:
        return {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(self.port)}]}

    def attach(self, public_key: str) -> None:
        """One more line of its authorized keys."""
        with (self.folder / "authorized_keys").open("a") as keys:
            keys.write(f"{public_key.strip()}\n")

    def fail_host_test(self) -> None:
        """Say so in a file."""
        (self.folder / "gpu-fails").touch()

    def close_ssh(self) -> None:
        """No sshd, while it runs."""
        self._closed = True
        self.stop()

    def stop(self) -> None:
        """End sshd and the logins that are open."""
        if self._sshd is None:
            return
        # Its children are the logins; a box that ends takes them with it.
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self._sshd.pid)], capture_output=True, check=False)
        for pid in [*listed.stdout.split(), self._sshd.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 15)
        self._sshd.wait(WITHIN)
        self._sshd = None

    def destroy(self) -> None:
        """As `stop`; the folder is the test's."""
        self.stop()
