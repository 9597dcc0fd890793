"""Measure three ways of seeing the desktop in a browser: `make bench-desktop`, or

    python -m bench.desktop [--quick] [--rounds 3] [--storm SECONDS] [--image IMAGE --guide IMAGE]

Selkies, Xtigervnc with noVNC, and the guide's Xvfb and x11vnc with noVNC, each through the portal, in containers of
what `make up` bakes. A Qt window on the desktop draws a moving picture that carries the time; headless Chromium, over
lines that a relay makes slow and long, reads it back from what the page shows. All take turns in every round, so that a
busy machine is equally unfair to them; the tables show medians. `--storm` asks instead what the page of a good visitor
shows while others misbehave.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from visomaster_host.choices import Screen

from bench import report, storm
from bench.page import NothingSeenError
from bench.processes import machine
from bench.rounds import SCENES, Rounds
from bench.stage import LINKS, Link, stage
from sandbox.desktop import bake
from sandbox.engine import ensure_engine
from sandbox.shell import SandboxError, apt_install, say

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "desktop.md"
STORM_RESULTS = HERE / "results" / "desktop-storm.md"
ROUNDS, SECONDS = 3, 5.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 2.5


def heading(title: str) -> list[str]:
    """Return how a page of results begins: what was run, when and where."""
    command = shlex.join(["python", "-m", "bench.desktop", *sys.argv[1:]])
    where = f"- Machine: {machine()}; load at the end {os.getloadavg()[0]:.1f}"
    return [f"# {title}\n", f"- Command: `{command}`, {time.strftime('%Y-%m-%d')}", where]


def measured(images: Mapping[Screen, str], options: argparse.Namespace) -> str:
    """Measure; the page of results."""
    links: Sequence[Link] = [LINKS[0], LINKS[-1]] if options.quick else LINKS
    with stage(images, links, chromium()) as everything:
        rounds = Rounds(stage=everything, links=links, seconds=options.seconds, scenes=tuple(SCENES), say=say)
        samples = rounds.all(options.rounds)
    return report.rounds(heading("Three ways of seeing the desktop"), samples, rounds.trouble)


def stormed(images: Mapping[Screen, str], options: argparse.Namespace) -> str:
    """Let the bad visitors come; the page of results."""
    with stage(images, LINKS[:1], chromium()) as everything:
        outcomes = storm.all_ways(everything, options.storm, say)
    return report.storm(heading("Bad visitors"), outcomes)


def chromium() -> str:
    """Debian's Chromium, installed when it is missing. Raises SandboxError when it cannot be."""
    if shutil.which("chromium") is None:
        apt_install(["chromium"])
    return shutil.which("chromium") or "chromium"


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    options = argparse.ArgumentParser(prog="python -m bench.desktop", description=__doc__)
    options.add_argument("--quick", action="store_true", help="one short round without the line in between")
    options.add_argument("--rounds", type=int, help=f"how often all take turns ({ROUNDS})")
    options.add_argument("--seconds", type=float, help=f"of each measurement ({SECONDS:.0f})")
    options.add_argument("--storm", type=float, metavar="SECONDS", help="bad visitors, so long each, instead")
    options.add_argument("--image", help="an image of the variant alt, instead of the one `make up` bakes")
    options.add_argument("--guide", metavar="IMAGE", help="the same with screen=guide")
    options.add_argument("--write", type=Path, help="where the tables go, instead of bench/results (or nowhere)")
    return options


def main() -> int:
    """Run the bench, print the tables and write them down (a quick look is only printed)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the containers are removed then, too
    options = parser().parse_args()
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    options.seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    try:
        ensure_engine()
        images = {
            Screen.TIGERVNC: options.image or bake("alt"),
            Screen.GUIDE: options.guide or bake("alt", screen=Screen.GUIDE),
        }
        text = stormed(images, options) if options.storm else measured(images, options)
    except (SandboxError, NothingSeenError) as error:
        say(f"error: {error}")
        return 1
    print(text)
    if not options.quick or options.write:
        (options.write or (STORM_RESULTS if options.storm else RESULTS)).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
