"""A working Docker engine on Debian or Ubuntu, with or without systemd."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from visomaster_host import paths

from sandbox.shell import CACHE, SandboxError, apt_install, as_root, run, say, step, succeeds

START_SECONDS = 60
DISTRIBUTION = "/usr/bin"
# BuildKit is part of the client up to this version and a plug-in (buildx) after it.
BUILTIN_BUILDKIT_BEFORE = 23


@functools.cache
def docker_command() -> str:
    """Return the Docker client to use: the first one found that can build with BuildKit.

    /usr/bin/docker comes first: it is the distribution's, of the same version as its engine.
    Raises SandboxError when there is none.
    """
    client = find_client()
    if client is None:
        raise SandboxError("no Docker client here can build with BuildKit: run `python3 -m sandbox engine`")
    return client


def find_client() -> str | None:
    """Return the first client that can build with BuildKit, or None."""
    folders = [DISTRIBUTION, *os.get_exec_path()]
    candidates = dict.fromkeys(shutil.which("docker", path=folder) for folder in folders)
    return next((client for client in candidates if client and builds(client)), None)


def builds(client: str) -> bool:
    """Tell whether `client` can build with BuildKit: by itself, or through its buildx plug-in."""
    try:
        version = re.search(r"version (\d+)\.", run([client, "--version"], timeout=10))
    except SandboxError:
        return False
    if version and int(version[1]) < BUILTIN_BUILDKIT_BEFORE:
        return True
    return succeeds([client, "buildx", "version"], timeout=10)


def docker(
    *words: str | os.PathLike[str],
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> str:
    """Run the Docker client with `words` and return what it prints; raises SandboxError when it fails."""
    return run([docker_command(), *words], timeout=timeout, environment=environment, log=log)


def build(context: Path, tag: str, *, labels: Mapping[str, str], arguments: Mapping[str, str]) -> None:
    """Build the Dockerfile in `context` as `tag` with BuildKit; the output is kept in the cache folder."""
    options: list[str] = []
    for name, value in labels.items():
        options += ["--label", f"{name}={value}"]
    for name, value in arguments.items():
        options += ["--build-arg", f"{name}={value}"]
    log = CACHE / f"build-{re.sub(r'[^a-z0-9]+', '-', tag)}.log"
    environment = {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
    docker("build", "--tag", tag, *options, context, timeout=900, environment=environment, log=log)


def label_of(kind: str, name: str, label: str) -> str:
    """Return the value of a label of an image or container (`kind`), empty when either is missing."""
    form = f'{{{{index .Config.Labels "{label}"}}}}'
    try:
        return docker(kind, "inspect", "--format", form, name).strip()
    except SandboxError as error:
        if "no such" in str(error).lower():
            return ""
        raise


def ensure_engine() -> str:
    """Make a Docker engine answer on this machine and return the client's path.

    Does nothing when one answers already. Raises SandboxError when it cannot be installed or started.
    """
    client = find_client()
    if client and answers(client):
        return client
    if client is None or not _daemon_installed():
        _install()
        docker_command.cache_clear()
    client = docker_command()
    if not answers(client):
        _start(client)
    return client


def answers(client: str) -> bool:
    """Tell whether an engine answers this user; raises SandboxError when one runs but refuses this user."""
    try:
        # Not `docker info`: newer clients print half of it, and exit 0, without any engine.
        run([client, "version", "--format", "{{.Server.Version}}"], timeout=20)
    except SandboxError as error:
        if "permission denied" in str(error).lower():
            raise SandboxError(
                "a Docker engine runs but refuses this user: "
                "run as root, or `sudo usermod -aG docker $USER` and log in again"
            ) from error
        return False
    return True


def _daemon_installed() -> bool:
    return bool(shutil.which("dockerd", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin"))


def _install() -> None:
    """Install the distribution's engine; newer releases package client and BuildKit on their own."""
    if not shutil.which("apt-get"):
        raise SandboxError("no Docker engine answers and there is no apt-get to install one: install Docker first")
    log = CACHE / "apt.log"
    with step("reading the distribution's package lists"):
        run(as_root(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "update"]), timeout=600, log=log)
    known = run(["apt-cache", "pkgnames", "docker-"], timeout=60).split()
    apt_install(["docker.io", "iptables", *(name for name in ("docker-cli", "docker-buildx") if name in known)])


def _start(client: str) -> None:
    if paths.SYSTEMD.is_dir():
        with step("starting the Docker engine with systemd"):
            run(as_root(["systemctl", "enable", "--now", "docker.service"]), timeout=START_SECONDS)
            _wait(client, None, Path("the journal: journalctl -u docker"))
        return
    log = CACHE / "dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with step(f"starting the Docker engine without systemd (log: {log})"):
        _wait(client, _spawn(as_root(["dockerd"]), log), log)


def _spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one, in a session of its own."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait(client: str, process: subprocess.Popen[bytes] | None, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if answers(client):
            return
        if process and process.poll() is not None:
            last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
            raise SandboxError(f"dockerd ended with status {process.returncode}: {last}")
        time.sleep(0.2)
    raise SandboxError(f"the Docker engine does not answer after {START_SECONDS} s; see {log}")


def remove_all() -> None:
    """Remove every container and image that carries the sandbox's label, and nothing else."""
    filters = ["--filter", "label=org.visomaster.sandbox"]
    containers = docker("ps", "--all", "--quiet", *filters).split()
    if containers:
        docker("rm", "--force", "--volumes", *containers, timeout=120)
    images = list(dict.fromkeys(docker("images", "--quiet", *filters).split()))
    if images:
        docker("rmi", "--force", *images, timeout=300)
    say(f"removed {len(containers)} containers and {len(images)} images")
