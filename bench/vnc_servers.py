"""The VNC servers that are compared, and the test picture on their displays. Runs inside the container."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from visomaster_host import paths
from visomaster_host.services.x11vnc import TUNING

START_SECONDS = 15
PYTHON = str(paths.PYTHON)
GEOMETRY = "1920x1080"
COMMON = ("-forever", "-shared", "-repeat", "-xkb", "-nolookup", "-noncache", "-sb", "0")
QUIET = (*COMMON, "-noscr", "-nowf")


@dataclass(frozen=True, kw_only=True)
class Server:
    """One candidate: x11vnc with these options, or without any Xtigervnc, which is X server and VNC in one."""

    name: str
    options: tuple[str, ...] = ()

    @property
    def display(self) -> str:
        """The X display whose picture it shows."""
        return ":10" if self.options else ":11"

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        return 5910 if self.options else 5911


SHIPPED = Server(name="x11vnc as shipped", options=TUNING)
TIGERVNC = Server(name="Xtigervnc")
CANDIDATES = (
    Server(name="x11vnc, its defaults", options=COMMON),
    Server(name="-noscr -nowf", options=QUIET),
    Server(name="-wait 10 -defer 5", options=(*QUIET, "-wait", "10", "-defer", "5")),
    Server(name="-wait 5 -defer 0", options=(*QUIET, "-wait", "5", "-defer", "0")),
    Server(name="-wait 2 -defer 0", options=(*QUIET, "-wait", "2", "-defer", "0")),
    Server(name="-threads -wait 5 -defer 1", options=(*QUIET, "-threads", "-wait", "5", "-defer", "1")),
)


class Process:
    """A program that runs until it is stopped; its output is kept for the message when it ends by itself."""

    def __init__(self, name: str, argv: Sequence[str], **variables: str) -> None:
        self.name = name
        self.log = Path(tempfile.gettempdir()) / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **variables},
            )

    def say(self, line: str) -> None:
        """Send a line to its standard input."""
        if self._process.stdin is None:
            raise ValueError(f"{self.name} has no standard input")
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it, by force after three seconds."""
        self._process.terminate()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def status(self) -> dict[str, str]:
        """Return what /proc says about it, see proc(5): VmRSS, Threads, …; Files is how many it has open."""
        folder = Path(f"/proc/{self._process.pid}")
        lines = (line.partition(":") for line in (folder / "status").read_text().splitlines())
        return {
            "Files": str(len(list((folder / "fd").iterdir()))),
            **{name: value.strip() for name, _, value in lines},
        }

    def processor_seconds(self) -> float:
        """Return the processor time its threads have used so far, see proc(5)."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Displays:
    """Xvfb and Xtigervnc side by side, each with a test picture to be shown. Use as a context manager."""

    def __init__(self) -> None:
        self._xvfb = Process("xvfb", ("Xvfb", ":10", "-screen", "0", f"{GEOMETRY}x24", *_x_options()))
        tigervnc = ("Xtigervnc", ":11", "-geometry", GEOMETRY, "-depth", "24", "-rfbport", "5911")
        self._tigervnc = Process("xtigervnc", (*tigervnc, "-SecurityTypes", "None", "-localhost", *_x_options()))
        self._pictures: dict[str, Process] = {}

    def __enter__(self) -> Displays:
        for display in (":10", ":11"):
            wait(partial(_answers, f"/tmp/.X11-unix/X{display[1:]}"), f"X server {display}")
            settings = {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "QT_QPA_UPDATE_IDLE_TIME": "0"}
            argv = (PYTHON, "-m", "bench.picture")
            self._pictures[display] = Process(f"picture{display[1:]}", argv, **settings)
        return self

    def __exit__(self, *reason: object) -> None:
        for process in reversed(self.processes()):
            process.stop()

    def processes(self) -> list[Process]:
        """Return what runs all the time."""
        return [self._xvfb, self._tigervnc, *self._pictures.values()]

    @contextlib.contextmanager
    def serving(self, server: Server) -> Iterator[list[Process]]:
        """Run `server` and yield its processes once it lets viewers in."""
        if not server.options:
            wait(partial(_answers, server.port), server.name)
            yield [self._tigervnc]
            return
        argv = ("x11vnc", "-display", server.display, "-rfbport", str(server.port), "-localhost", "-nopw")
        process = Process("x11vnc", (*argv, *server.options))
        try:
            wait(partial(_answers, server.port), server.name)
            yield [process, self._xvfb]
        finally:
            process.stop()

    @contextlib.contextmanager
    def showing(self, server: Server, width: int, height: int, rate: int) -> Iterator[None]:
        """Show the picture on the server's display while the body runs."""
        picture = self._pictures[server.display]
        picture.say(f"show {width} {height} {rate}")
        try:
            yield
        finally:
            picture.say("hide")


def _x_options() -> tuple[str, ...]:
    return ("-nolisten", "tcp", "-noreset", "-dpi", "96", "-ac")


def _answers(where: int | str) -> bool:
    """Tell whether something accepts connections on a port of loopback or on a socket's path."""
    family, address = (socket.AF_UNIX, where) if isinstance(where, str) else (socket.AF_INET, ("127.0.0.1", where))
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def wait(ready: Callable[[], bool], what: str) -> None:
    """Wait until `ready`; raises TimeoutError after START_SECONDS."""
    until = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} is not there after {START_SECONDS} s")
        time.sleep(0.05)
