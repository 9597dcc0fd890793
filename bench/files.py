"""A person's files up and down through the portal: python -m bench.files [--size MIB] [--rounds N] [--line]

Chromium sends a large file by the page and takes it back, over plain HTTP by a name (no checksums there: it is no
secure context) and over TLS (with a checksum for each piece), on the Caddy of Debian and on the newest. Beside it, in
the same rounds: `curl -T` to Caddy before nginx, which takes PUT, and both clients from Caddy's file_server. All of
them read from and write to the same disk; only the portal's service waits until what it has confirmed is on it.
Whatever arrives has its sha256 compared. Then a folder of small files, and a list of many. With --line instead: 200 MiB
over a line of 10 Mbit/s, 100 ms away, every connection cut after 20 s.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.bad_line import BadLine, bad_line
from bench.files_stage import (
    DOWN,
    DOWN_CURL,
    DOWN_PEER,
    DOWN_PEER_BROWSER,
    MANY,
    MIB,
    NAME,
    SMALL,
    SMALL_SIZE,
    UP,
    UP_CURL,
    UP_PEER,
    Bench,
    Sample,
    opened,
    sent,
    stage,
)
from bench.processes import machine
from bench.report import table
from sandbox import tools
from sandbox.shell import SandboxError, say
from tests.portal import browser, rig
from tests.portal.files_process import service

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).resolve().parent
RESULTS, LINE_RESULTS = HERE / "results" / "files.md", HERE / "results" / "files-line.md"
NEWEST = str(Path(sys.executable).parent / "caddy")
GOALS = {UP: (0.5, UP_PEER), UP_CURL: (0.5, UP_PEER), DOWN: (0.7, DOWN_PEER_BROWSER), DOWN_CURL: (0.7, DOWN_PEER)}
"""The least part of another way's rate."""
MEMORY, SECONDS_SMALL, SECONDS_MANY = 30, 15.0, 0.5
"""MB of the service, seconds for the folder, seconds for the list: at most."""
LINE_SIZE, LINE_RATE, LINE_ROUND_TRIP, LINE_CUT = 200, 10e6, 0.1, 20.0
LINE_TIME, LINE_TWICE = 1.15, 0.02
"""Of the ideal time, and of the file: at most."""

Row = Sequence[str]


def rows(samples: Sequence[Sample]) -> list[Row]:
    """A row for each Caddy, scheme and way; where there is a goal, the ratio to the other way."""
    found: list[Row] = []
    for caddy, scheme in dict.fromkeys((one.caddy, one.scheme) for one in samples):
        own: dict[str, list[float]] = {}
        for one in samples:
            if (one.caddy, one.scheme) == (caddy, scheme):
                own.setdefault(one.way, []).append(one.rate)
        for way, rates in own.items():
            median = statistics.median(rates)
            goal = ["", ""]
            if way in GOALS:
                least, beside = GOALS[way]
                ratio = median / statistics.median(own[beside])
                goal = [f"{ratio:.2f} (≥ {least})", "yes" if ratio >= least else "**no**"]
            found.append([caddy, scheme, way, f"{median:.0f} ({min(rates):.0f} to {max(rates):.0f})", *goal])
    return found


def heading(title: str, load: float) -> list[str]:
    """How it was measured."""
    command = shlex.join(["python", "-m", "bench.files", *sys.argv[1:]])
    return [
        f"# {title}\n",
        f"- Command: `{command}`, {time.strftime('%Y-%m-%d')}",
        f"- Machine: {machine()}; load before the first run {load:.1f}",
    ]


def judged(what: str, found: float, most: float, form: str) -> Row:
    """A row of a figure and its bound."""
    return [what, f"{found:{form}}", f"{most:{form}}", "yes" if found <= most else "**no**"]


def measured(options: argparse.Namespace, folder: Path, chromium: Browser, load: float) -> str:
    """The page of the large file, the small ones and the list."""
    bench = Bench(folder=folder, size=options.size * MIB, browser=chromium)
    bench.make()
    small = many = 0.0
    for number in range(options.rounds):
        for caddy in (rig.HAPROXY.replace("sbin/haproxy", "bin/caddy"), NEWEST):
            with stage(bench, caddy) as one:
                for scheme in ("http", "https"):
                    one.measure(scheme)
                if number == 0 and not small:
                    small, many = one.small(), one.many()
            shutil.rmtree(folder / one.caddy)
    others = [
        judged("memory of the service, the most, MB", bench.peak / 1e6, MEMORY, ".1f"),
        judged(
            f"a folder of {SMALL:,} files of {SMALL_SIZE // 1000} kB up by the page, s", small, SECONDS_SMALL, ".1f"
        ),
        judged(f"a list of {MANY:,} entries, s", many, SECONDS_MANY, ".2f"),
    ]
    return "\n".join(
        [
            *heading("A person's files through the portal", load),
            f"- {options.size} MiB; medians of {options.rounds} interleaved rounds, the least and the most in brackets;"
            " every sha256 compared, and not timed.",
            "- Up, the peer: a Caddy of the same version before nginx of Debian (`dav_methods PUT`), which do not wait"
            " for the disk; the portal's service does. `http` is by a name: no `crypto.subtle`, no checksums.",
            "- Down, the peer: the same Caddy's file_server. curl writes to the disk, as Chromium does.\n",
            table(("Caddy", "", "way", "MB/s", "of the peer", "met"), rows(bench.samples)),
            "",
            table(("", "found", "at most", "met"), others),
            "",
        ]
    )


def over_the_line(options: argparse.Namespace, folder: Path, chromium: Browser, load: float) -> str:
    """The page of the bad line."""
    bench = Bench(folder=folder, size=options.size * MIB, browser=chromium)
    bench.make()
    (folder / "portal").mkdir()
    with contextlib.ExitStack() as stack:
        portal = stack.enter_context(rig.running(folder / "portal", rig.wanted(token=rig.TOKEN)))
        stack.enter_context(service(portal))
        address = f"127.0.0.1:{portal.port}"
        line: BadLine = stack.enter_context(
            bad_line(address, rate=LINE_RATE, round_trip=LINE_ROUND_TRIP, cut=options.cut)
        )
        page = stack.enter_context(opened(chromium, f"http://{browser.ELSEWHERE}:{line.port}", rig.TOKEN))
        before = line.forth.carried
        took = sent(page, bench.source, 3 * bench.size * 8 / LINE_RATE)
        twice = (line.forth.carried - before) / bench.size - 1
        bench.compare(folder / "portal/workspace/in" / NAME)
    ideal = bench.size * 8 / LINE_RATE
    found = [
        judged(f"time, of the ideal {ideal:.0f} s", took / ideal, LINE_TIME, ".3f"),
        judged("sent besides the file, of its size", twice, LINE_TWICE, ".4f"),
    ]
    return "\n".join(
        [
            *heading("An upload over a bad line", load),
            f"- {options.size} MiB from Chromium by the page, {LINE_RATE / 1e6:.0f} Mbit/s each way,"
            f" {LINE_ROUND_TRIP * 1e3:.0f} ms away, every connection reset after {options.cut:g} s: {line.cuts} times."
            " Intact by its sha256.\n",
            table(("", "found", "at most", "met"), found),
            "",
        ]
    )


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    options = argparse.ArgumentParser(prog="python -m bench.files", description=__doc__)
    options.add_argument("--size", type=int, metavar="MIB", help="of the large file (2048; over the line 200)")
    options.add_argument("--rounds", type=int, default=1, help="each takes some six minutes with 2 GiB (1)")
    options.add_argument("--line", action="store_true", help="over the bad line instead, about three minutes")
    options.add_argument("--cut", type=float, default=LINE_CUT, metavar="SECONDS")
    options.add_argument("--folder", type=Path, help="where three times the size is free (a temporary one)")
    options.add_argument("--write", type=Path, help=f"where the table goes ({RESULTS.relative_to(HERE.parent)})")
    return options


def main() -> int:
    """Run the bench, print the table and write it down."""
    options = parser().parse_args()
    options.size = options.size or (LINE_SIZE if options.line else 2048)
    load = os.getloadavg()[0]
    tools.provide()
    work, results = (over_the_line, LINE_RESULTS) if options.line else (measured, RESULTS)
    try:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder, browser.chromium() as chromium:
            page = work(options, Path(folder), chromium, load)
    except SandboxError as error:
        say(f"error: {error}")
        return 1
    print(page)
    (options.write or results).write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
