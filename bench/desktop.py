"""Measure x11vnc beside Xtigervnc, with what noVNC asks of a server: `make bench-desktop`, or

    python -m bench.desktop [--quick] [--rounds 4] [--try="-wait 5 -defer 0"] [--storm SECONDS]

A throw-away container of the image that `make up` bakes runs Xvfb with x11vnc, and Xtigervnc; a Qt window draws a
moving picture that carries the time; a viewer on loopback reads the time back. Servers take turns in every round, so
that a busy machine is equally unfair to all; the table shows medians. `--storm` asks instead which server survives
viewers that are killed in the middle of an update or stop reading, and what a good viewer sees meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from visomaster_host import paths

from sandbox.desktop import bake
from sandbox.engine import docker, docker_command, ensure_engine
from sandbox.shell import LABEL, SandboxError, say, step

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "desktop.md"
STORM_RESULTS = HERE / "results" / "desktop-storm.md"
PACKAGES = ("tigervnc-standalone-server", "python3-pil")
LIMIT = 900
"""Seconds after which a run counts as stuck."""
QUICK = ("--quick", "--rounds", "2", "--seconds", "2.5")

CASES = {
    "full": "1920x1080, 30 pictures a second, Tight",
    "window": "960x540, 30 pictures a second, Tight",
    "zrle": "960x540, 30 pictures a second, ZRLE",
    "keys": "from a key to its picture, 640x96, Tight",
}
STORM_COLUMNS = {
    "server": "server",
    "seconds": "seconds",
    "survived": "survived",
    "killed": "killed viewers",
    "refused": "refused",
    "reconnected": "good viewer lost",
    "fps": "its pictures/s",
    "longest_gap_ms": "its longest wait, ms",
    "memory": "memory",
    "threads": "threads",
    "files": "open files",
}
Line = Mapping[str, Any]


@contextlib.contextmanager
def container(image: str) -> Iterator[str]:
    """Run a container of `image` that holds the servers, and yield its name; it is removed in any case."""
    name = f"vm-bench-desktop-{os.getpid()}"
    mount = f"--volume={HERE}:/srv/bench:ro"
    options = ["--detach", "--init", f"--name={name}", f"--label={LABEL}=1", mount, "--entrypoint=sleep"]
    docker("run", *options, image, str(LIMIT))
    try:
        with step(f"installing {', '.join(PACKAGES)} in {name}"):
            apt = f"apt-get -qq update && apt-get -qq install -y --no-install-recommends {' '.join(PACKAGES)}"
            docker("exec", "--env=DEBIAN_FRONTEND=noninteractive", name, "sh", "-c", apt, timeout=300)
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def lines_of(name: str, module: str, arguments: Sequence[str]) -> Iterator[Line]:
    """Run a module of the bench in the container and yield each line of JSON as it is printed.

    Raises SandboxError when it fails.
    """
    options = [f"--env=PYTHONPATH=/srv:{paths.PACKAGES}", "--env=PYTHONDONTWRITEBYTECODE=1"]
    command = [docker_command(), "exec", *options, name, "python3", "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise ValueError("a pipe was asked for")
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise SandboxError(f"{module} ended with status {process.returncode}, see above")


def measured(name: str, arguments: Sequence[str]) -> list[Line]:
    """Measure and say what came out while it goes on."""
    lines = []
    for line in lines_of(name, "bench.vnc_rounds", arguments):
        lines.append(line)
        figures = f"{line['fps']:5.1f} pictures/s, {line['p50']:.0f}/{line['p95']:.0f} ms, {line['cpu']:.2f} cores"
        figures += f" (others {line['others']:.2f})"
        say(f"round {line['round']}  {line['case']:6}  {line['server']:28}  {figures}")
    return lines


def table(lines: Sequence[Line]) -> str:
    """Return the medians as Markdown, one table for each case, each server beside Xtigervnc."""
    parts = []
    for case, title in CASES.items():
        of_case = [line for line in lines if line["case"] == case]
        if not of_case:
            continue
        parts.append(f"\n### {title}\n\n{_header(case)}")
        reference = _medians(of_case, "Xtigervnc")
        for server in dict.fromkeys(line["server"] for line in of_case):
            parts.append(_row(case, server, _medians(of_case, server), reference))
    return "\n".join(parts)


def _header(case: str) -> str:
    names = ["server", "ms p50", "ms p95", "cores"]
    if case != "keys":
        names = ["server", "pictures/s", "of Xtigervnc", "MB/s", *names[1:]]
    return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}"


def _row(case: str, server: str, own: Line, reference: Line) -> str:
    figures = [f"{own['p50']:.0f}", f"{own['p95']:.0f}", f"{own['cpu']:.2f}"]
    if case != "keys":
        share = own["fps"] / reference["fps"]
        figures = [f"{own['fps']:.1f}", f"{share:.0%}", f"{own['rate']:.1f}", *figures]
    return f"| {server} | {' | '.join(figures)} |"


def _medians(lines: Sequence[Line], server: str) -> Line:
    own = [line for line in lines if line["server"] == server]
    return {key: statistics.median(line[key] for line in own) for key in ("fps", "rate", "p50", "p95", "cpu")}


def machine() -> str:
    """Return one line about where this ran."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"


def heading(title: str, arguments: Sequence[str]) -> list[str]:
    """Return how a page of results begins: what was run, when and where."""
    command = shlex.join(["python", "-m", "bench.desktop", *arguments])
    return [f"# {title}\n", f"- Command: `{command}`, {time.strftime('%Y-%m-%d')}", f"- Machine: {machine()}"]


def report(lines: Sequence[Line], arguments: Sequence[str]) -> str:
    """Return the page of measurements: how they were made, and the tables."""
    others = sorted(line["others"] for line in lines)
    options = {line["server"]: line["options"] for line in lines if line["options"]}
    rounds = max(line["round"] for line in lines)
    return "\n".join(
        [
            *heading("x11vnc beside Xtigervnc", arguments),
            f"- Everything else on the machine used {statistics.median(others):.2f} cores meanwhile"
            f" (median; {others[0]:.2f} to {others[-1]:.2f}).",
            f"- Medians of {rounds} interleaved rounds. Milliseconds: from painting to the moment a viewer has the"
            " whole picture. Cores: all processes of the server, Xvfb included.",
            "- The viewer asks for what noVNC asks for: JPEG quality 6, compression 2, continuous updates.",
            table(lines),
            "\n### Options\n",
            *(f"- {server}: `{words}`" for server, words in options.items()),
            "",
        ]
    )


def storm_report(lines: Sequence[Line], arguments: Sequence[str]) -> str:
    """Return the page of the storm: one row for each server."""
    names = list(STORM_COLUMNS.values())
    rows = [" | ".join(str(line[key]) for key in STORM_COLUMNS) for line in lines]
    return "\n".join(
        [
            *heading("Bad viewers", arguments),
            "- Three viewers are killed again and again, one reads nothing, one stops after the handshake's first byte;"
            " a good viewer watches 960x540, 30 pictures a second. The status is before the storm → after it.\n",
            f"| {' | '.join(names)} |\n|{' --- |' * len(names)}",
            *(f"| {row} |" for row in rows),
            "",
        ]
    )


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    options = argparse.ArgumentParser(prog="python -m bench.desktop", description=__doc__)
    options.add_argument("--quick", action="store_true", help="two rounds of what is shipped beside Xtigervnc")
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--try", dest="extra", action="append", default=[], help="further options of x11vnc")
    options.add_argument("--storm", type=int, metavar="SECONDS", help="bad viewers instead of measurements")
    options.add_argument("--image", help="an image of the default variant, instead of the one `make up` bakes")
    return options


def main() -> int:
    """Run the bench, print the tables and write them down (a quick look is only printed)."""
    options = parser().parse_args()
    extra = [f"--try={words}" for words in options.extra]
    try:
        ensure_engine()
        with container(options.image or bake("default")) as name:
            if options.storm:
                lines = list(lines_of(name, "bench.vnc_storm", ["--seconds", str(options.storm), *extra]))
                page, place = storm_report(lines, sys.argv[1:]), STORM_RESULTS
            else:
                rounds = QUICK if options.quick else ("--rounds", str(options.rounds))
                page, place = report(measured(name, [*rounds, *extra]), sys.argv[1:]), RESULTS
    except SandboxError as error:
        say(f"error: {error}")
        return 1
    print(page)
    if not options.quick:
        place.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
