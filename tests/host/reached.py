"""How the host tests reach a host, and the one line for a host of which they can say nothing."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import testinfra
import testinfra.backend
from testinfra.backend.paramiko import ParamikoBackend
from visomaster_host import paths
from visomaster_host.text import brief

from connectors import reach, transport
from tests.host import plain

_CONTAINERS = ("docker", "podman")
_ABSENT = ("no such container", "no container with name")
_STOPPED = ("is not running", "container state improper")


class Backend(ParamikoBackend):
    """testinfra's over the deploy's own client: aliases, jump hosts, keys and host keys are the same for both."""

    @functools.cached_property
    def client(self) -> transport.Client:
        """The connection. Raises what paramiko raises."""
        client = transport.Client()
        client.connect(
            self.host.name,
            port=int(self.host.port) if self.host.port else None,
            username=self.host.user,
            password=self.host.password,
            timeout=self.timeout,
            key_filename=self.ssh_identity_file,
            _pyinfra_ssh_config_file=self.ssh_config,
        )
        return client


def attend(hosts: str | None) -> None:
    """Have testinfra reach hosts so. Raises `UsageError`, one line, where `hosts` cannot name any."""
    reach.attend()
    testinfra.backend.BACKENDS[Backend.NAME] = f"{Backend.__module__}.{Backend.__name__}"
    for spec in [] if hosts is None else hosts.split(","):
        if not spec or (spec.endswith("://") and spec != "local://"):
            raise pytest.UsageError(f"{hosts!r} has an empty name, expected docker://NAME, several as A,B")
        try:
            testinfra.get_host(spec)
        except Exception as error:  # of whichever backend
            raise pytest.UsageError(brief(f"{spec}: {error}")) from None


def problem(host: Any) -> str | None:
    """Why nothing can be said of `host`, with what to do, or None."""
    name = plain.named(host.backend)
    try:
        user = host.run("id -u")
    except Exception as error:  # of whichever backend
        return brief(f"{name} cannot be reached: {_reason(error)}")
    if user.rc != 0:
        return brief(f"{name} {_unanswered(host.backend, user)}")
    if user.stdout.split()[-1:] != ["0"]:
        return f"{name}: the checks need root on the host: use {_as_root(host.backend)}"
    if not host.file(str(paths.HOST)).exists:
        return f"{name} was not set up by deploy.py: {paths.HOST} is missing"
    return None


def _reason(error: Exception) -> str:
    """What `error` says; ssh's own words where it is what that command ended with."""
    said = getattr(error.args[0], "stderr", None) if error.args else None
    words = [line for line in (said or "").splitlines() if line.strip()]
    if words:
        return words[-1]
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _unanswered(backend: Any, done: Any) -> str:
    """Why a host did not even say who is asked."""
    said = done.stderr.strip()
    last = said.splitlines()[-1] if said else f"a command ended with status {done.rc} and said nothing"
    kind, lower = backend.NAME, said.lower()
    if kind in _CONTAINERS:
        if done.rc == 127 and kind in lower:
            return f"cannot be reached: there is no {kind} client on this machine's PATH"
        if any(word in lower for word in _ABSENT):
            return f"cannot be reached: there is no container of that name; `{kind} ps` lists those that run"
        if any(word in lower for word in _STOPPED):
            return f"cannot be reached: the container is stopped; start it with `{kind} start {backend.name}`"
    elif backend.sudo:
        return f"cannot be checked with sudo: {last}"
    return f"cannot be reached: {last}"


def _as_root(backend: Any) -> str:
    """How to name the host of `backend` so that the checks are made as root."""
    if backend.NAME in _CONTAINERS:
        return f"{backend.NAME}://root@{backend.name}"
    return f"{plain.named(backend) if backend.NAME != 'local' else 'local://'}?sudo=True"
