"""`make up`: a desktop on this machine, baked and run exactly as anywhere else, with the sandbox's application."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

from visomaster_host.choices import Access, Screen
from visomaster_host.colours import is_terminal
from visomaster_host.summary import Summary, local_address, opened
from visomaster_host.text import lines, printable
from visomaster_host.waiting import WAITING
from visomaster_host.way_in import READY

from sandbox import assets
from sandbox.base import base_image
from sandbox.engine import docker, docker_command, label_of
from sandbox.shell import INPUTS_LABEL, LABEL, REPOSITORY, SandboxError, fingerprint, lock, step
from spec.fields import one_of
from spec.variant import VARIANTS, Variant

UP_LABEL = f"{LABEL}.up"
REPOSITORY_NAME = "visomaster-sandbox/desktop"
ORIGIN = "http://assets.sandbox.invalid"
READY_WITHIN = 120
LOG = REPOSITORY / ".state" / "up.log"
"""What pyinfra says of a bake."""
LAST_LINES = 12
"""Of the log, where the bake failed."""
_OPERATION = re.compile(r"--> Starting operation: (.+?)\s*$")
# What decides what a bake makes: everything pyinfra reads.
INPUTS = ("deploy.py", "connectors", "controller", "files", "operations", "spec", "tasks", "templates", "VisoMaster")


@dataclass(frozen=True, kw_only=True)
class Desktop:
    """One variant as a container of this machine."""

    variant: Variant

    @property
    def container(self) -> str:
        """The container's name."""
        return f"visomaster-sandbox-{self.variant.name}"


def mirrors(address: str) -> str:
    """The setting that leads the sandbox's addresses to the asset server at `address`."""
    return f"{ORIGIN}={address}"


def data(variant: str, address: str, **settings: str) -> list[str]:
    """pyinfra's arguments for `variant` with the sandbox's application and further settings."""
    values = {"variant": variant, "application": "sandbox", "mirrors": mirrors(address), **settings}
    return [word for key, value in values.items() for word in ("--data", f"{key}={value}")]


def bake(variant: str, release: str = "bookworm", screen: Screen = Screen.TIGERVNC) -> str:
    """Bake `variant` with `screen` on the base image of `release` unless the same was baked before; return the image's
    tag.

    pyinfra's own output is in `LOG`. Raises SandboxError when it fails.
    """
    repository = REPOSITORY_NAME if screen == Screen.TIGERVNC else f"{REPOSITORY_NAME}-{screen}"
    base = base_image(release)
    assets.up()
    inputs = fingerprint(label_of("image", base, INPUTS_LABEL), *(REPOSITORY / name for name in INPUTS))
    tag = f"{repository}:{release}-{variant}-{inputs}"
    with lock(f"bake-{variant}"):
        if not docker("images", "--quiet", tag).strip():
            settings = data(variant, assets.bridge_url(), screen=screen, repository=repository)
            with step(f"baking {variant} (log: {LOG.relative_to(REPOSITORY)})") as now:
                pyinfra([f"@bake/{base}", "deploy.py", "-y", *settings], now)
            docker("tag", f"{repository}:{VARIANTS[variant].tags()[0]}", tag)
    return tag


def pyinfra(arguments: list[str], now: Callable[[str], None]) -> None:
    """Run the project's pyinfra with its output in `LOG`; `now` is told each of its operations on a terminal.

    Raises SandboxError, with the last lines of the log, when it fails.
    """
    program = REPOSITORY / ".venv" / "bin" / "pyinfra"
    # Other tools just call `docker`: the client that was found comes first for them.
    path = f"{Path(docker_command()).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "DOCKER": docker_command(), "PATH": path, "PYINFRA_PROGRESS": "off"}
    LOG.parent.mkdir(mode=0o700, exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log, _begun([program, *arguments], environment) as process:
        for line in map(lines, process.stdout or ()):
            log.write(line)
            log.flush()
            if (found := _OPERATION.search(line)) and is_terminal(sys.stderr):
                now(found[1])
    if process.returncode:
        last = [line for line in LOG.read_text(encoding="utf-8").splitlines() if line.strip()][-LAST_LINES:]
        failure = SandboxError(f"pyinfra ended with status {process.returncode}, see {LOG}")
        failure.last_lines = last
        raise failure


def _begun(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A program that runs, whose output is to be read."""
    output, errors = subprocess.PIPE, subprocess.STDOUT
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        text=True,
        errors="replace",
    )


def up(variant: str) -> None:
    """Bake, run and wait until the desktop of `variant` is ready; quick when it runs already."""
    if variant not in VARIANTS:
        raise SandboxError(f"VARIANT: {variant!r} is unknown, expected {one_of(VARIANTS)}")
    desktop = Desktop(variant=VARIANTS[variant])
    others = docker("ps", "--filter", f"label={UP_LABEL}", "--format", "{{.Names}}").split()
    if others not in ([], [desktop.container]):
        raise SandboxError(f"VARIANT: {', '.join(others)} runs, expected no other desktop: `make down` ends it")
    image = bake(variant)
    if label_of("container", desktop.container, UP_LABEL) != image or not _running(desktop):
        _run(desktop, image)
    wait(desktop.container)
    tell(desktop)


def _running(desktop: Desktop) -> bool:
    return bool(docker("ps", "--quiet", "--filter", f"name=^{desktop.container}$").strip())


def _run(desktop: Desktop, image: str) -> None:
    docker("rm", "--force", "--volumes", desktop.container)
    options = [f"--name={desktop.container}", f"--label={LABEL}=1", f"--label={UP_LABEL}={image}"]
    ports = desktop.variant.ports
    options += [f"--publish=127.0.0.1:{port}:{port}" for port in ports]
    options += [f"--env=VISOMASTER_MIRRORS={mirrors(assets.bridge_url())}"]
    # As Vast tells a container its address outside: what visomaster-credentials prints can be opened.
    options += ["--env=PUBLIC_IPADDR=127.0.0.1", *(f"--env=VAST_TCP_PORT_{port}={port}" for port in ports)]
    with step(f"starting {desktop.container}"):
        docker("run", "--detach", *options, image)


def wait(container: str) -> None:
    """Wait until a person could use the desktop of `container`; one line says what is still missing, at the end with
    its reason. Raises SandboxError then."""
    command = [docker_command(), "exec", container, "visomaster-ready", "--wait", str(READY_WITHIN)]
    told: list[str] = []
    try:
        with step("waiting until it can be used") as now, _begun(command) as process:
            for line in map(lines, process.stdout or ()):
                if line.startswith(WAITING):
                    now(line.removeprefix(WAITING).strip())
                elif not line.startswith("ok "):
                    told.append(line)
            if process.wait():
                raise SandboxError(f"{container} is not ready after {READY_WITHIN} s: see `make logs`")
    finally:
        for line in told:
            print(printable(line.rstrip("\n")), file=sys.stderr, flush=True)


def tell(desktop: Desktop) -> None:
    """Say where the desktop is and how to get in. A VNC password is printed only when it is asked for; a portal's
    address holds its token, which opens nothing beyond this machine."""
    access, port = desktop.variant.access, desktop.variant.port
    where = local_address(access, port)
    if access is Access.PORTAL:
        where = str(json.loads(docker("exec", desktop.container, "visomaster-credentials", "--json"))["url"])
    box = Summary(
        title=READY,
        open=(opened(access, where),),
        log_in=("make password",),
        stop=("make down: it runs on this machine and costs nothing but its disk space",),
        check=(f"make verify HOST=docker://{desktop.container}",),
    )
    box.tell(sys.stdout)


def running_container() -> str:
    """The name of the one desktop that `make up` runs. Raises SandboxError when there is none or more than one."""
    names = docker("ps", "--filter", f"label={UP_LABEL}", "--format", "{{.Names}}").split()
    if len(names) != 1:
        raise SandboxError(f"expected one running desktop, found {', '.join(names) or 'none'}: `make up` starts one")
    return names[0]


def show(*command: str) -> NoReturn:
    """Run the Docker client with `command`, pass on what the container says until it ends, and end as it does."""
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(_passed_on([docker_command(), *command], sys.stdout))
    sys.exit(128 + signal.SIGINT)


def _passed_on(command: Sequence[str], stream: TextIO) -> int:
    """Run a program, show its lines on `stream` as they come; its exit status."""
    with _begun(command) as process:
        for line in process.stdout or ():
            print(lines(line), end="", file=stream, flush=True)
    return process.returncode


def attach(*command: str) -> None:
    """Become the Docker client with `command`."""
    client = docker_command()
    os.execv(client, [client, *command])


def down() -> None:
    """Remove every desktop that `up` runs, and the asset server."""
    names = docker("ps", "--all", "--filter", f"label={UP_LABEL}", "--format", "{{.Names}}").split()
    if names:
        with step(f"removing {', '.join(names)}"):
            docker("rm", "--force", "--volumes", *names)
    assets.down()
