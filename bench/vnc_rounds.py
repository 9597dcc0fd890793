"""Measure every server in turn, again and again, and print one line of JSON for each. Runs inside the container.

Rounds are interleaved, so that whatever else the machine does is equally unfair to everybody.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench import marker
from bench.rfb_client import TIGHT, ZRLE, Viewer
from bench.vnc_servers import CANDIDATES, SHIPPED, TIGERVNC, Displays, Process, Server

RATE = 30
SETTLE = 0.7
PICTURE_SECONDS = 10
KEYS = range(ord("a"), ord("q"))
KEY_PAUSE = 0.11


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is looked at: a picture of this size and rate (0: at each key), and how it is to be encoded."""

    name: str
    width: int
    height: int
    rate: int = RATE
    encoding: int = TIGHT


CASES = (
    Case(name="full", width=1920, height=1080),
    Case(name="window", width=960, height=540),
    Case(name="zrle", width=960, height=540, encoding=ZRLE),
    Case(name="keys", width=640, height=96, rate=0),
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one viewer saw: pictures and megabytes a second, milliseconds until seen.

    `cpu` is how many processor cores the server used, `others` how many went to what is no part of the bench.
    """

    server: str
    options: str
    case: str
    fps: float
    rate: float
    p50: float
    p95: float
    cpu: float
    others: float


@dataclass(frozen=True, kw_only=True)
class Meter:
    """The state of the counters at one moment."""

    at: float
    server: float
    bench: float
    machine: float
    received: int


def read_meter(displays: Displays, processes: Sequence[Process], viewer: Viewer) -> Meter:
    """Read all counters at once."""
    rest = [process for process in displays.processes() if process not in processes]
    server = sum(process.processor_seconds() for process in processes)
    bench = server + time.process_time() + sum(process.processor_seconds() for process in rest)
    return Meter(at=time.monotonic(), server=server, bench=bench, machine=machine_seconds(), received=viewer.received)


def machine_seconds() -> float:
    """Return the processor time that everything on this machine has used, see proc(5)."""
    with open("/proc/stat") as file:  # noqa: PTH123
        user, nice, system, _, _, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def see_picture(viewer: Viewer) -> int:
    """Wait until the whole picture is seen and return its stamp. Raises TimeoutError when it never is."""
    for stamp in viewer.updates(PICTURE_SECONDS):
        if stamp is not None:
            return stamp
    raise TimeoutError(f"the picture was not seen within {PICTURE_SECONDS} s")


def watch(viewer: Viewer, seconds: float) -> list[int]:
    """Return the age in milliseconds of every new picture when it was first seen whole."""
    ages, last = [], None
    for stamp in viewer.updates(seconds):
        if stamp is not None and (last is None or marker.age(last, stamp) > 0):
            ages.append(marker.age(stamp, marker.now()))
            last = stamp
    return ages


def type_keys(viewer: Viewer) -> list[int]:
    """Press one key after another; return the milliseconds from each until a picture painted after it is seen."""
    ages = []
    for key in KEYS:
        pressed = marker.now()
        viewer.press(key)
        for stamp in viewer.updates(2):
            if stamp is not None and marker.age(pressed, stamp) >= 0:
                ages.append(marker.age(pressed, marker.now()))
                break
        # Not a multiple of any server's timer, or all keys would meet it at the same moment.
        for _ in viewer.updates(KEY_PAUSE + key % 7 * 0.005):
            pass
    return ages


def measure(displays: Displays, server: Server, processes: list[Process], case: Case, seconds: float) -> Sample:
    """Look at one case through one server."""
    with displays.showing(server, case.width, case.height, case.rate), Viewer(server.port, case.encoding) as viewer:
        left, top = marker.place_of(case.width, case.height)
        viewer.look_at(left, top, case.width, case.height)
        viewer.point_at(left + case.width // 2, top + case.height // 2)
        see_picture(viewer)
        watch(viewer, SETTLE)
        before = read_meter(displays, processes, viewer)
        ages = watch(viewer, seconds) if case.rate else type_keys(viewer)
        after = read_meter(displays, processes, viewer)
    if len(ages) < 2:
        raise TimeoutError(f"{server.name} showed {len(ages)} pictures in {seconds} s")
    passed = after.at - before.at
    return Sample(
        server=server.name,
        options=" ".join(server.options),
        case=case.name,
        fps=len(ages) / passed,
        rate=(after.received - before.received) / passed / 1e6,
        p50=statistics.median(ages),
        p95=statistics.quantiles(ages, n=20, method="inclusive")[-1],
        cpu=(after.server - before.server) / passed,
        others=(after.machine - before.machine - after.bench + before.bench) / passed,
    )


def candidates(extra: Sequence[str], *, quick: bool) -> list[Server]:
    """Return who takes part: all, or for a quick look what is shipped and who it is compared with."""
    others = () if quick else [one for one in CANDIDATES if sorted(one.options) != sorted(SHIPPED.options)]
    given = [Server(name=words, options=(*CANDIDATES[1].options, *words.split())) for words in extra]
    return [*others, *given, SHIPPED, TIGERVNC]


def parser() -> argparse.ArgumentParser:
    """Return the grammar of what the controller passes on."""
    options = argparse.ArgumentParser(prog="bench.vnc_rounds")
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--try", dest="extra", action="append", default=[])
    options.add_argument("--cases", nargs="+", default=[case.name for case in CASES])
    return options


def main() -> int:
    """Measure, and print a line for each sample."""
    options = parser().parse_args()
    servers = candidates(options.extra, quick=options.quick)
    with Displays() as displays:
        for number in range(options.rounds):
            # Another one begins in each round: nobody always meets the same moment of what else goes on.
            first = number % len(servers)
            for server in servers[first:] + servers[:first]:
                with displays.serving(server) as processes:
                    for case in (case for case in CASES if case.name in options.cases):
                        sample = measure(displays, server, processes, case, options.seconds)
                        line = {"round": number + 1, **asdict(sample)}
                        print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
