"""A rented box as SSH reaches it: by a config of its own, which ssh, rsync, pyinfra and the host tests all go by."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vast.boxes import Box
from vast.errors import VastError
from vast.jobs import Job, running

CONNECTS_WITHIN = 10
ANSWERS_WITHIN = 60
"""Seconds."""

KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
"""The keys that ssh-keygen makes, the best first."""

_BEGIN = "visomaster-answer-begins"
"""What a login prints stands before this line, and is no answer."""

CONFIG = """\
# Of one rented box: ssh -F THIS {name}
Host {name}
    HostName {host}
    Port {port}
    User root
    IdentityFile "{key}"
    IdentitiesOnly yes
    UserKnownHostsFile "{folder}/known_hosts"
    StrictHostKeyChecking accept-new
    ConnectTimeout {connects}
    ServerAliveInterval 15
    ServerAliveCountMax 3
    BatchMode yes
    ForwardAgent no
    ForwardX11 no
    LogLevel ERROR
"""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Box `name`; `folder` has its ssh config, host key and logs."""

    name: str
    folder: Path

    @property
    def host(self) -> str:
        """Who and where, as ssh and rsync are told."""
        return f"root@{self.name}"

    @property
    def config(self) -> Path:
        """Its ssh config."""
        return self.folder / "ssh_config"

    def ssh_command(self) -> list[str]:
        """ssh with all options that reach it, but for `host`."""
        return ["ssh", "-F", str(self.config)]

    def begin(self, command: str, log: str) -> AbstractContextManager[Job]:
        """`command` on the box, its output in `log` of `folder`."""
        return running([*self.ssh_command(), self.host, command], self.folder / log)

    def answer(self, *words: str) -> str:
        """What the command `words` prints there. Raises `VastError` when it fails."""
        command = f"echo {_BEGIN}; exec {shlex.join(words)}"
        try:
            done = subprocess.run(
                [*self.ssh_command(), self.host, command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ANSWERS_WITHIN,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise VastError(f"{self.name}: {words[0]}: {error}") from None
        _, _, answer = done.stdout.rpartition(f"{_BEGIN}\n")
        if done.returncode:
            said = [line for line in (done.stderr or answer).splitlines() if line.strip()]
            raise VastError(f"{self.name}: {words[0]}: {said[-1] if said else f'status {done.returncode}'}")
        return answer

    def json(self, *words: str) -> dict[str, Any]:
        """The JSON object that the command `words` prints there. Raises `VastError`."""
        try:
            found = json.loads(self.answer(*words))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise VastError(f"{self.name}: {words[0]}: expected a JSON object")
        return found


def reached(box: Box, folder: Path, key: Path) -> Machine:
    """`box`, which runs, by `key`; what is written for it goes into `folder`. Raises `VastError`, `OSError`."""
    if box.endpoint is None:
        raise VastError(f"{box.name} has no SSH: it is {box.absence}")
    host, port = box.endpoint
    if host.startswith("-") or "%" in host:
        raise VastError(f"{box.name}: expected an address, got {host!r}")
    machine = Machine(name=box.name, folder=folder)
    said = {"name": box.name, "host": host, "port": port, "key": key, "folder": folder, "connects": CONNECTS_WITHIN}
    machine.config.write_text(CONFIG.format(**said), encoding="utf-8")
    return machine


@dataclass(frozen=True, kw_only=True)
class Key:
    """A person's key: the file and the public half."""

    path: Path
    public: str


def find_key(given: str, environment: Mapping[str, str]) -> Key:
    """The key to reach boxes by: `given`, or the first in ~/.ssh. Raises `VastError` with what to do.

    Found out before a box costs money: whether it is one, and whether somebody has to type for it.
    """
    home = Path(environment.get("HOME") or Path.home()) / ".ssh"
    candidates = [Path(given).expanduser().absolute()] if given else [home / name for name in KEYS]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        where = f"there is no {given}" if given else f"there is no key in {home}"
        raise VastError(f"SSH_KEY: {where}: make one with: ssh-keygen -t ed25519 -f {candidates[0]}")
    if re.search(r'["\n]', str(path)):
        raise VastError(f"SSH_KEY: expected a path without quotes, got {str(path)!r}")
    public = _public(path)
    if _ask("ssh-keygen", "-y", "-P", "", "-f", str(path)) is None and public.split()[1] not in (
        _ask("ssh-add", "-L") or ""
    ):
        raise VastError(f"SSH_KEY: {path} has a passphrase and no agent has the key: run ssh-add {path}")
    return Key(path=path, public=public)


def _public(path: Path) -> str:
    beside = path.with_name(f"{path.name}.pub")
    try:
        text = (
            beside.read_text(encoding="utf-8")
            if beside.is_file()
            else _ask("ssh-keygen", "-y", "-P", "", "-f", str(path))
        )
    except OSError as error:
        raise VastError(f"SSH_KEY: {beside}: {error.strerror}") from None
    found = re.match(r"(?:ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]+", (text or "").strip())
    if not found:
        raise VastError(f"SSH_KEY: {path} is no private key of SSH, or its public half {beside.name} is missing")
    return found[0]


def _ask(*command: str) -> str | None:
    """What `command` prints; nothing when it fails."""
    with tempfile.TemporaryFile() as nothing:
        try:
            done = subprocess.run(command, stdin=nothing, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
    return done.stdout if done.returncode == 0 else None
