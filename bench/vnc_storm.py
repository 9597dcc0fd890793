"""Whether one server survives bad viewers, and whether a good one notices. Runs inside the container.

While a good viewer watches a moving picture, others connect and are killed at any moment, in the handshake and in the
middle of an update; one never gets past the first byte of the handshake; one asks for the whole screen again and again
and reads nothing. Prints one line of JSON for each server.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

from bench import marker
from bench.rfb_client import RAW, Viewer
from bench.vnc_rounds import see_picture
from bench.vnc_servers import QUIET, SHIPPED, TIGERVNC, Displays, Process, Server

STORMERS = 3
PICTURE, RATE = (960, 540), 30
PAUSE = 0.3
"""Seconds at most until a killed viewer comes back."""
SETTLE_SECONDS = 40
STUBBORN_SECONDS = 30
"""How long one who says or reads nothing keeps the connection: longer than the 20 s after which x11vnc gives up."""
FIRST_ANSWER = 3
"""Seconds after which a server that does not greet counts as one that refuses."""


@dataclass(kw_only=True)
class Tally:
    """What happened so far; several threads add to it."""

    killed: int = 0
    refused: int = 0
    deaf: int = 0
    mute: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str) -> None:
        """Count one more of `name`."""
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)


Trouble = Callable[[Server, float, Tally], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the good viewer saw, and what is left of the server."""

    server: str
    seconds: float
    survived: bool
    killed: int
    refused: int
    deaf: int
    mute: int
    reconnected: int
    fps: float
    longest_gap_ms: int
    memory: str
    threads: str
    files: str


def kill_abruptly(viewer: socket.socket) -> None:
    """Close as the kernel does for a killed program: a reset, with whatever was not read."""
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    viewer.close()


def storm(server: Server, until: float, tally: Tally, seed: int) -> None:
    """Connect and be killed, again and again."""
    numbers = random.Random(seed)
    while time.monotonic() < until:
        try:
            if numbers.random() < 0.2:
                half_a_handshake(server, numbers)
            else:
                die_in_an_update(server, numbers)
            tally.add("killed")
        except OSError:
            tally.add("refused")
        time.sleep(numbers.random() * PAUSE)


def half_a_handshake(server: Server, numbers: random.Random) -> None:
    """Be killed before the connection is made; after the version, or after nothing at all."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=FIRST_ANSWER)
    if numbers.random() < 0.5:
        connection.recv(12)
        connection.sendall(b"RFB 003.008\n"[: numbers.randrange(1, 13)])
    kill_abruptly(connection)


def die_in_an_update(server: Server, numbers: random.Random) -> None:
    """Watch for a while, then leave some thousand bytes of an update unread and be killed."""
    viewer = Viewer(server.port)
    for _ in viewer.updates(numbers.random() * 0.6):
        pass
    viewer.request(incremental=False)
    with contextlib.suppress(BlockingIOError):
        viewer.connection.recv(numbers.randrange(1, 30_000), socket.MSG_WAITALL)
    kill_abruptly(viewer.connection)


def be_deaf(server: Server, until: float, tally: Tally) -> None:
    """Ask for the whole screen uncompressed, again and again, and read none of it; then be killed and begin again."""
    while time.monotonic() < until:
        try:
            viewer = Viewer(server.port, RAW)
        except OSError:
            tally.add("refused")
            time.sleep(0.1)
            continue
        deaf_until = min(until, time.monotonic() + STUBBORN_SECONDS)
        with contextlib.suppress(OSError):  # the server may well close it
            while time.monotonic() < deaf_until:
                viewer.request(incremental=False)
                time.sleep(0.5)
        kill_abruptly(viewer.connection)
        tally.add("deaf")


def be_mute(server: Server, until: float, tally: Tally) -> None:
    """Say one byte of the handshake and keep the connection; then be killed and begin again."""
    while time.monotonic() < until:
        try:
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=FIRST_ANSWER)
            connection.recv(12)
            connection.sendall(b"R")
            time.sleep(max(0.0, min(STUBBORN_SECONDS, until - time.monotonic())))
            kill_abruptly(connection)
            tally.add("mute")
        except OSError:
            tally.add("refused")
            time.sleep(0.1)


def watch_well(server: Server, until: float) -> tuple[list[float], int]:
    """Be the good viewer; return when it saw a new picture, and how often it had to connect again."""
    seen: list[float] = []
    connections = 0
    while time.monotonic() < until:
        try:
            with Viewer(server.port) as viewer:
                connections += 1
                viewer.look_at(*marker.place_of(*PICTURE), *PICTURE)
                last = see_picture(viewer)
                for stamp in viewer.updates(until - time.monotonic()):
                    if stamp is not None and marker.age(last, stamp) > 0:
                        last = stamp
                        seen.append(time.monotonic())
        except (OSError, TimeoutError):
            time.sleep(0.1)
    return seen, connections - 1


def endure(server: Server, seconds: float, troubles: Sequence[Trouble]) -> Outcome:
    """Let the storm blow over one server."""
    tally = Tally()
    with Displays() as displays, displays.serving(server) as processes:
        with displays.showing(server, *PICTURE, RATE):
            before = processes[0].status()
            until = time.monotonic() + seconds
            jobs = [partial(storm, server, until, tally, seed) for seed in range(STORMERS)]
            jobs += [partial(trouble, server, until, tally) for trouble in troubles]
            threads = [threading.Thread(target=job, daemon=True) for job in jobs]
            for thread in threads:
                thread.start()
            seen, again = watch_well(server, until)
            for thread in threads:
                thread.join(30)
        after = settle(processes[0], before["Threads"])
    return outcome(server, seconds, tally, seen, again, before, after)


def settle(process: Process, threads: str) -> dict[str, str]:
    """Give the server time to notice that everybody is gone; return its last status, empty when it is dead."""
    until = time.monotonic() + SETTLE_SECONDS
    status: dict[str, str] = {}
    while process.alive():
        status = process.status()
        if status["Threads"] == threads or time.monotonic() > until:
            return status
        time.sleep(0.5)
    return {}


def outcome(
    server: Server,
    seconds: float,
    tally: Tally,
    seen: Sequence[float],
    again: int,
    before: dict[str, str],
    after: dict[str, str],
) -> Outcome:
    """Put together what is printed."""
    gaps = [later - sooner for sooner, later in itertools.pairwise(seen)]
    return Outcome(
        server=server.name,
        seconds=seconds,
        survived=bool(after),
        killed=tally.killed,
        refused=tally.refused,
        deaf=tally.deaf,
        mute=tally.mute,
        reconnected=again,
        fps=round(len(seen) / seconds, 1),
        longest_gap_ms=round(max(gaps, default=seconds) * 1000),
        memory=change(before, after, "VmRSS"),
        threads=change(before, after, "Threads"),
        files=change(before, after, "Files"),
    )


def change(before: Mapping[str, str], after: Mapping[str, str], name: str) -> str:
    """Return one figure of the server's status before the storm and after it."""
    return f"{before[name]} → {after.get(name, '-')}"


def main() -> int:
    """Let the storm blow over the servers named; 1 when one of them did not survive."""
    options = argparse.ArgumentParser(prog="bench.vnc_storm")
    options.add_argument("--seconds", type=float, default=300)
    options.add_argument("--try", dest="extra", action="append", default=[])
    given = options.parse_args()
    servers = [Server(name=words, options=(*QUIET, *words.split())) for words in given.extra]
    survived = True
    for server in (*servers, SHIPPED, TIGERVNC):
        result = endure(server, given.seconds, (be_deaf, be_mute))
        print(json.dumps(asdict(result)), flush=True)
        survived &= result.survived
    return 0 if survived else 1


if __name__ == "__main__":
    sys.exit(main())
