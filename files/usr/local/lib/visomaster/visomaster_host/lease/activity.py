"""Whether somebody, or something that somebody has begun, is at work on this machine.

What counts is what lasts: a connection that was there at two looks, the work done between them. A look at the portal,
or a stranger who knocks at the port, is none. All of it can be feigned by the program; the lease's end cannot.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host import fetch_state, paths, runs, unix_sockets
from visomaster_host.choices import internal_ports
from visomaster_host.host import Host

LASTS = 45.0
"""Seconds for which a connection is there before it is somebody's."""
GPU_BUSY = 5
"""Per cent of a GPU's time."""
CPU_BUSY = 0.25
"""Of one processor's time, by the program: its window alone takes a hundredth."""
BYTES_MOVED = 4096.0
"""Bytes a second by the service for files: what the portal's page asks for is less."""
_GPU_WITHIN = 15.0
_CARRIERS = frozenset({"rsync", "ffmpeg"})
"""Programs that are at work for as long as they run: what is brought and taken home over SSH, a recording."""
_MOST = 65536
_ESTABLISHED = "01"  # linux: include/net/tcp_states.h
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Process:
    """What the kernel tells of one: `ticks` of processor time, of its own and of children it has waited for."""

    parent: int
    name: str
    state: str
    ticks: int


def processes(folder: Path | None = None) -> dict[int, Process]:
    """All that run, by number."""
    folder = folder or paths.PROCESSES
    texts = {int(name): _text(folder / name / "stat") for name in os.listdir(folder) if name.isdigit()}
    return {number: process for number, text in texts.items() if (process := _process(text)) is not None}


def _process(stat: str) -> Process | None:
    """What `stat` of proc(5) says; None where it says nothing: it has ended meanwhile."""
    before, _, after = stat.rpartition(")")
    fields = after.split()
    try:
        ticks = sum(map(int, fields[11:15]))
        return Process(parent=int(fields[1]), name=before.partition("(")[2], state=fields[0], ticks=ticks)
    except (ValueError, IndexError):
        return None


def tree(all_of_them: dict[int, Process], top: int) -> Iterator[Process]:
    """The process `top` and all below it."""
    below: dict[int, list[int]] = {}
    for number, process in all_of_them.items():
        below.setdefault(process.parent, []).append(number)
    left, seen = [top], set[int]()
    while left:
        number = left.pop()
        if number in all_of_them and number not in seen:
            seen.add(number)
            yield all_of_them[number]
            left += below.get(number, [])


@dataclass(kw_only=True)
class Activity:
    """What was seen before, to compare with. `program` and `files` are the services' names."""

    host: Host
    program: str
    files: str
    gpu: tuple[str, ...] = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
    _since: dict[str, float] = field(default_factory=dict)
    _counts: dict[str, tuple[float, float]] = field(default_factory=dict)

    def look(self, now: float) -> str:
        """What is at work, in some words, empty for nothing; `now` is the kernel's count in seconds."""
        there = processes()
        return (
            self._viewers(now)
            or self._carriers(there)
            or self._files(now)
            or self._gpu_works()
            or self._program_works(there, now)
            or _models_arrive()
        )

    def _viewers(self, now: float) -> str:
        """A connection to a part of the desktop, or of the files, that lasts."""
        found: dict[str, str] = {}
        for place, what in (
            *((place, "somebody is at the desktop") for place in (paths.STREAM_SOCKET, paths.VNC_SOCKET)),
            (paths.FILES_SOCKET, "a file is on its way"),
        ):
            found |= {f"{place}:{number}": what for number in _connected(place)}
        # Behind the gate of a public port, or a portal: a stranger who knocks there is no viewer.
        ports = internal_ports(self.host.access, self.host.screen) or (self.host.port,)
        found |= dict.fromkeys(_tcp(set(ports)), "somebody is at the desktop")
        self._since = {name: self._since.get(name, now) for name in found}
        return next((found[name] for name, since in self._since.items() if now - since >= LASTS), "")

    def _carriers(self, there: dict[int, Process]) -> str:
        names = {process.name for process in there.values() if process.state not in "ZX"} & _CARRIERS
        return f"{min(names)} runs" if names else ""

    def _files(self, now: float) -> str:
        run = runs.read(self.files)
        text = _text(paths.PROCESSES / str(run.pid) / "io") if run else ""
        moved = sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(("rchar", "wchar")))
        return "files go up or down" if text and self._rate("files", now, moved) >= BYTES_MOVED else ""

    def _gpu_works(self) -> str:
        environment = {"PATH": paths.SYSTEM_PATH, "LC_ALL": "C.UTF-8"}
        try:
            said = subprocess.run(
                self.gpu, env=environment, capture_output=True, text=True, errors="replace", timeout=_GPU_WITHIN
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return ""  # no GPU, or a driver that hangs: what the program does is seen all the same
        used = [int(line) for line in said[:_MOST].split() if line.isascii() and line.isdigit()]
        return f"the GPU works ({max(used)} %)" if used and max(used) >= GPU_BUSY else ""

    def _program_works(self, there: dict[int, Process], now: float) -> str:
        run = runs.read(self.program)
        if run is None:
            return ""
        ticks = sum(process.ticks for process in tree(there, run.pid))
        share = self._rate(f"program {run.pid}", now, ticks) / _TICKS
        return f"the program works ({share:.0%} of a processor)" if share >= CPU_BUSY else ""

    def _rate(self, name: str, now: float, count: float) -> float:
        """How much more of `name` there is a second than at the look before; 0 at the first one."""
        before, counted = self._counts.get(name, (now, count))
        self._counts[name] = now, count
        return (count - counted) / (now - before) if now > before else 0.0


def _connected(place: Path) -> list[str]:
    try:
        return unix_sockets.connections(place)
    except OSError:
        return []


def _tcp(ports: set[int]) -> list[str]:
    """The established connections to one of `ports` here, each by its number."""
    found = []
    for table in paths.TCP_CONNECTIONS:
        for line in _text(table, 4 * 1024 * 1024).splitlines()[1:]:
            fields = line.split()  # sl, local, remote, st, queues, timer, retransmits, uid, timeout, inode
            if len(fields) > 9 and fields[3] == _ESTABLISHED and int(fields[1].rpartition(":")[2], 16) in ports:
                found.append(f"tcp:{fields[9]}")
    return found


def _models_arrive() -> str:
    running = fetch_state.read_state(paths.FETCH_STATE).get("status") == "running"
    return "models are being fetched" if running else ""


def _text(path: Path, most: int = _MOST) -> str:
    """The beginning of a file of the kernel's; empty where it is gone."""
    try:
        with path.open("rb") as file:
            return file.read(most).decode("utf-8", "replace")
    except OSError:
        return ""
