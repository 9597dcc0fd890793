"""Measure how long a container takes until its desktop can be used: `make bench-start`, or

    python -m bench.start [--runs 10] [--image IMAGE] [--beside IMAGE]

Beside the desktop as it is shipped runs the bare minimum: the same X server, VNC server, websockify, Caddy, Fluxbox and
program of the same image, started by a shell script that checks nothing, keeps no log, asks nobody for a token and
restarts nothing; with `--beside` also another image as it is, of the commit before. All take turns, so that a busy
machine is equally unfair to them. Times are from `docker run` until this machine gets the answer through the
container's published port; the table shows medians.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import re
import shlex
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from visomaster_host.choices import PORT as PORTS
from visomaster_host.choices import Access

from bench.processes import machine
from bench.stage import TOKEN
from sandbox.desktop import bake
from sandbox.engine import docker, ensure_engine
from sandbox.shell import LABEL, SandboxError, say

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "start.md"
BY_HAND = HERE / "start_by_hand.sh"
PORT = PORTS[Access.PORTAL]
LIMIT = 60.0
"""Seconds after which a start counts as failed."""
POLL = 0.02
GOAL = 1.3

STEPS = {
    "health": "portal answers (`/health` 200)",
    "vnc": "VNC greets, through the portal",
    "ready": "program on the screen (`/ready` 200)",
}
SLOWER = {"health": 0.0, "vnc": 0.0, "ready": 0.2}
"""Seconds by which a step may be later than in the image beside; differences within NOISE are none."""
NOISE = 0.03
SHIPPED, BARE, BESIDE = "shipped", "by hand", "beside"
BARE_OPTIONS = (f"--volume={BY_HAND}:/srv/by-hand.sh:ro", "--entrypoint=/srv/by-hand.sh")
UPGRADE = (
    "GET /vnc/websockify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
).encode()
REFUSED = re.compile(rb"HTTP/1.1 (?!101)\d|.*\r\n\r\n\x88", re.DOTALL)
"""No websocket: websockify is not there; or one that it closes at once (and keeps open until we do): VNC is not."""
Times = Mapping[str, float]


@contextlib.contextmanager
def started(image: str, options: tuple[str, ...]) -> Iterator[tuple[int, float]]:
    """Run a container of `image`; yields its port on this machine and when `docker run` was asked for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = f"vm-bench-start-{os.getpid()}"
    words = ("--detach", f"--name={name}", f"--label={LABEL}=1", f"--publish=127.0.0.1:{port}:{PORT}")
    begun = time.monotonic()
    docker("run", *words, f"--env=OPEN_BUTTON_TOKEN={TOKEN}", *options, image)
    try:
        yield port, begun
    finally:
        docker("rm", "--force", "--volumes", name)


def status_of(port: int, target: str) -> int:
    """The status of one request; 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", target)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def greets(port: int) -> bool:
    """Whether a websocket brings a VNC server's greeting."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(UPGRADE)
            answer = b""
            while not REFUSED.match(answer) and (more := connection.recv(4096)):
                answer += more
                if b"RFB 003" in answer:
                    return True
    except OSError:
        pass
    return False


def seconds_until(condition: Callable[[], bool], begun: float) -> float:
    """Seconds from `begun` until `condition`. Raises SandboxError when it takes too long."""
    while time.monotonic() - begun < LIMIT:
        if condition():
            return time.monotonic() - begun
        time.sleep(POLL)
    raise SandboxError(f"a container was not ready after {LIMIT:.0f} s")


def measured(image: str, options: tuple[str, ...]) -> Times:
    """The times of one start, asked for one after another: each question costs the processors something, too."""
    with started(image, options) as (port, begun):
        return {
            "health": seconds_until(lambda: status_of(port, "/health") == 200, begun),
            "vnc": seconds_until(lambda: greets(port), begun),
            "ready": seconds_until(lambda: status_of(port, "/ready") == 200, begun),
        }


def table(lines: Mapping[str, list[Times]]) -> str:
    """The medians as Markdown, the least and the most in brackets; against the image beside, what is later and met."""
    columns = [*lines, "ratio", *(["later than beside", "met"] if BESIDE in lines else [])]
    rows = [f"| seconds until | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}"]
    for step, title in STEPS.items():
        values = {way: [line[step] for line in own] for way, own in lines.items()}
        medians = {way: statistics.median(own) for way, own in values.items()}
        figures = [*map(_figures, values.values()), f"{medians[SHIPPED] / medians[BARE]:.2f}"]
        if BESIDE in lines:
            later = medians[SHIPPED] - medians[BESIDE]
            figures += [f"{later:+.2f}", "yes" if later <= SLOWER[step] + NOISE else "**no**"]
        rows.append(f"| {title} | {' | '.join(figures)} |")
    return "\n".join(rows)


def _figures(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _allowed() -> str:
    words = ", ".join(f"{STEPS[step]} {seconds} s" for step, seconds in SLOWER.items())
    return f"later than it by {words} at most, and {NOISE} s for noise"


def report(lines: Mapping[str, list[Times]], load: float) -> str:
    """The page: how it was measured, and the table."""
    command = shlex.join(["python", "-m", "bench.start", *sys.argv[1:]])
    return "\n".join(
        [
            "# From `docker run` to a desktop, beside the bare minimum\n",
            f"- Command: `{command}`, {time.strftime('%Y-%m-%d')}",
            f"- Machine: {machine()}; load before the first run {load:.1f}",
            f"- Medians of {len(lines[SHIPPED])} starts each, in turns; the least and the most in brackets."
            f" Goal: a ratio of {GOAL} at most.",
            *([f"- Beside: another image as it is; {_allowed()}."] if BESIDE in lines else []),
            "- By hand: `bench/start_by_hand.sh`, the same programs of the same image without supervision, logs,"
            " login or checks.\n",
            table(lines),
            "",
        ]
    )


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    options = argparse.ArgumentParser(prog="python -m bench.start", description=__doc__)
    options.add_argument("--runs", type=int, default=10)
    options.add_argument("--image", help="an image of the variant alt, instead of the one `make up` bakes")
    options.add_argument("--beside", metavar="IMAGE", help="another image, as that of the commit before")
    options.add_argument("--write", type=Path, help=f"where the table goes ({RESULTS.relative_to(HERE.parent)})")
    return options


def all_measured(ways: Mapping[str, tuple[str, tuple[str, ...]]], runs: int) -> Mapping[str, list[Times]]:
    """Start every way, an image with options, so often, in turns; say what came out while it goes on."""
    lines: dict[str, list[Times]] = {way: [] for way in ways}
    for number in range(runs):
        for way, (image, options) in ways.items():
            lines[way].append(measured(image, options))
            figures = ", ".join(f"{step} {seconds:.2f}" for step, seconds in lines[way][-1].items())
            say(f"run {number + 1}  {way:8}  {figures}")
    return lines


def main() -> int:
    """Run the bench, print the table and write it down."""
    options = parser().parse_args()
    try:
        ensure_engine()
        image = options.image or bake("alt")
        load = os.getloadavg()[0]
        ways: dict[str, tuple[str, tuple[str, ...]]] = {SHIPPED: (image, ()), BARE: (image, BARE_OPTIONS)}
        if options.beside:
            ways[BESIDE] = (options.beside, ())
        lines = all_measured(ways, options.runs)
    except SandboxError as error:
        say(f"error: {error}")
        return 1
    page = report(lines, load)
    print(page)
    (options.write or RESULTS).write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
