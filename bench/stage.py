"""Where the ways of seeing a desktop are looked at: two containers, lines to them, and a browser."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visomaster_host import paths
from visomaster_host.choices import PORT, Access, Screen
from visomaster_host.services.visomaster_app import SERVICE as PROGRAM

from bench import page
from sandbox.engine import docker, docker_command
from sandbox.shell import LABEL, SandboxError, step

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).resolve().parent
TOKEN = "sixteen-or-more-characters"
READY_WITHIN = 60
"""Seconds."""
RELAY_PRIORITY = -10
"""A relay that waits for a processor would be a line that stutters."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of seeing the desktop: a page of the portal of a host with this screen."""

    name: str
    screen: Screen
    page: str


WAYS = (
    Way(name="Selkies", screen=Screen.TIGERVNC, page="/desktop/"),
    Way(name="Xtigervnc", screen=Screen.TIGERVNC, page="/vnc/"),
    Way(name="x11vnc", screen=Screen.GUIDE, page="/vnc/"),
)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A line to the machine: its round trip in milliseconds, and Mbit/s towards the browser, 0 for all there is."""

    name: str
    round_trip: int = 0
    rate: int = 0


LINKS = (
    Link(name="fast"),
    Link(name="20 Mbit/s, 50 ms", round_trip=50, rate=20),
    Link(name="8 Mbit/s, 50 ms", round_trip=50, rate=8),
)


class Asked:
    """A program of ours that answers each line with one line of JSON."""

    def __init__(self, what: str, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._what = what
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=environment)

    def answer(self) -> Any:
        """Its next line. Raises SandboxError when it has ended."""
        if self.process.stdout is None or not (line := self.process.stdout.readline()):
            raise SandboxError(f"{self._what} ended with status {self.process.wait()}, see above")
        return json.loads(line)

    def ask(self, line: str) -> Any:
        """Its answer to `line`. Raises SandboxError when it has ended."""
        with contextlib.suppress(BrokenPipeError):
            if self.process.stdin is not None:
                self.process.stdin.write(f"{line}\n")
                self.process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.communicate()


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of processor time used so far: by the services without the program, by all in the container."""

    services: float
    all: float


@dataclass(frozen=True, kw_only=True)
class Box:
    """A container of one screen, with the test picture in it."""

    address: str
    inside: Asked

    def show(self, width: int, height: int, rate: int) -> None:
        """Show the moving picture."""
        self.inside.ask(f"show {width} {height} {rate}")

    def hide(self) -> None:
        """Show what was there before."""
        self.inside.ask("hide")

    @contextlib.contextmanager
    def free(self) -> Iterator[None]:
        """Hide the picture in any case after what is done."""
        try:
            yield
        finally:
            self.hide()

    def cost(self) -> Cost:
        """What it has cost so far."""
        told = self.inside.ask("meter")
        own = sum(seconds for name, seconds in told["services"].items() if name != PROGRAM.name)
        return Cost(services=own, all=told["all"])


@dataclass(frozen=True, kw_only=True)
class Stage:
    """All that is needed; `roads` are the lines' relays, each with a port for every screen in the order of `boxes`."""

    boxes: Mapping[Screen, Box]
    roads: Mapping[str, tuple[Asked, Sequence[int]]]
    browser: Browser

    def port(self, way: Way, link: Link) -> int:
        """Where this machine finds a way's portal over a line."""
        return self.roads[link.name][1][list(self.boxes).index(way.screen)]

    def address(self, way: Way, link: Link) -> str:
        """Where the browser finds a way's page over a line, logged in."""
        return f"http://127.0.0.1:{self.port(way, link)}{way.page}?token={TOKEN}"

    def carried(self, way: Way, link: Link) -> int:
        """Bytes that have come over a line so far."""
        counts = self.roads[link.name][0].ask("")
        return int(counts[list(self.boxes).index(way.screen)])


@contextlib.contextmanager
def box(screen: Screen, image: str) -> Iterator[Box]:
    """A container of `image`, ready; it is removed in any case."""
    name = f"vm-bench-{screen}-{os.getpid()}"
    options = ["--detach", f"--name={name}", f"--label={LABEL}=1", f"--volume={HERE}:/srv/bench:ro"]
    docker("run", *options, f"--env=OPEN_BUTTON_TOKEN={TOKEN}", image)
    try:
        with step(f"waiting for {name}"):
            docker("exec", name, "visomaster-ready", "--wait", str(READY_WITHIN), timeout=READY_WITHIN + 10)
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        # Not its published port: where that is a relay of Docker's it has buffers of its own.
        address = docker("inspect", f"--format={form}", name).strip()
        variables = [f"--env=PYTHONPATH=/srv:{paths.PACKAGES}", "--env=PYTHONDONTWRITEBYTECODE=1"]
        words = ["exec", "--interactive", *variables, name, str(paths.SYSTEM_PYTHON), "-m", "bench.inside"]
        inside = Asked(f"bench.inside in {name}", [docker_command(), *words])
        yield Box(address=f"{address}:{PORT[Access.PORTAL]}", inside=inside)
    finally:
        docker("rm", "--force", "--volumes", name)


@contextlib.contextmanager
def road(link: Link, addresses: Sequence[str]) -> Iterator[tuple[Asked, Sequence[int]]]:
    """A relay to each of `addresses`, with its ports on this machine."""
    words = [str(link.round_trip), "--count", f"--rate={link.rate * 1e6:.0f}", *addresses]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    relay = Asked("bench.delay", [sys.executable, "-m", "bench.delay", *words], environment)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, relay.process.pid, RELAY_PRIORITY)
    try:
        yield relay, relay.answer()
    finally:
        relay.end()


@contextlib.contextmanager
def stage(images: Mapping[Screen, str], links: Sequence[Link], program: str) -> Iterator[Stage]:
    """Everything going: a container of each image, and Chromium (`program`)."""
    with contextlib.ExitStack() as stack:
        boxes = {screen: stack.enter_context(box(screen, image)) for screen, image in images.items()}
        addresses = [one.address for one in boxes.values()]
        roads = {link.name: stack.enter_context(road(link, addresses)) for link in links}
        browser = stack.enter_context(page.chromium(program))
        yield Stage(boxes=boxes, roads=roads, browser=browser)
