"""Measure how long a bare machine takes to the program's window, by stage: `make bench-from-bare`, or

    python -m bench.from_bare [--only box|bake] [--rounds 3] [--beside REF] [--quick]

A rented box is a container of a plain distribution with sshd; pyinfra turns it into a desktop over SSH, from the first
question until the portal says that the program's window is there. `@bake` ends with an image. What is installed is the
sandbox's program with requirements of real size (`bench/real_size.toml`, 3 GB of wheels from the index that this
machine's boxes ask); `--quick` takes the sandbox's own few. Beside it runs another commit (REF) from a git worktree of
its own, with the same base, profile and servers; the two take turns, each first in every other round.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host.choices import PORT, Access

from bench import timeline
from bench.processes import machine
from bench.report import table
from sandbox import assets
from sandbox.base import base_image, rented_image
from sandbox.desktop import mirrors
from sandbox.engine import docker, docker_command, ensure_engine
from sandbox.shell import CACHE, LABEL, REPOSITORY, SandboxError, run, say

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "from_bare.md"
PROFILE = HERE / "real_size.toml"
WORKTREE = CACHE.parent / "bench" / "beside"
BEFORE_UV = "f320f32^"
"""The last commit in which pip installed the requirement sets."""
VARIANT = "alt"
TAG = "visomaster-bench/from-bare"
WITHIN = 900
"""Seconds after which a run counts as stuck."""
SSHD_WITHIN, POLL = 20.0, 0.1
ROOM = 16e9
"""Bytes that a run may need: an image is 8 GB, and a container that becomes one is there beside it."""
WINDOW, ALL = "until the window is there", "all"
GOALS = {"box": 0.5, "bake": None}
TITLES = {"box": "A bare box, until the program's window", "bake": "`@bake`, until the image"}
NOW, BESIDE = "now", "before"
Times = Mapping[str, float]
Runs = dict[str, list[Times]]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One state of this repository, in the folder `checkout`."""

    name: str
    checkout: Path

    @property
    def environment(self) -> dict[str, str]:
        """pyinfra's variables: modules are those of the checkout, before what the virtual environment has of ours."""
        ours = (self.checkout, self.checkout / "files/usr/local/lib/visomaster")
        path = f"{Path(docker_command()).parent}:{os.environ['PATH']}"
        own = {"DOCKER": docker_command(), "PATH": path, "PYINFRA_PROGRESS": "off", "PYTHONDONTWRITEBYTECODE": "1"}
        return {**os.environ, **own, "PYTHONPATH": os.pathsep.join(map(str, ours))}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all runs share: a `folder` for what they need, the boxes' SSH `key`, and the deploy's data."""

    folder: Path
    key: Path
    data: Mapping[str, str]
    runs: dict[str, Runs] = field(default_factory=dict)


@contextlib.contextmanager
def worktree(reference: str) -> Iterator[Path]:
    """The commit `reference` in a folder of its own, which is removed in any case. Raises SandboxError."""
    git = ["git", "-C", str(REPOSITORY), "worktree"]
    drop_worktree(git)
    WORKTREE.parent.mkdir(parents=True, exist_ok=True)
    run([*git, "add", "--quiet", "--detach", WORKTREE, reference], timeout=60)
    try:
        yield WORKTREE
    finally:
        drop_worktree(git)


def drop_worktree(git: Sequence[str]) -> None:
    """Remove the worktree, that of a run which was killed as well."""
    shutil.rmtree(WORKTREE, ignore_errors=True)
    run([*git, "prune"], timeout=60)


@contextlib.contextmanager
def box(public_key: str) -> Iterator[str]:
    """A bare box that lets this key in; yields its address. It is removed in any case."""
    name = f"vm-bench-from-bare-{os.getpid()}"
    words = ("--detach", "--init", f"--name={name}", f"--label={LABEL}=1", f"--env=AUTHORIZED_KEY={public_key}")
    docker("run", *words, rented_image())
    try:
        address = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", name).strip()
        await_sshd(address)
        yield address
    finally:
        docker("rm", "--force", "--volumes", name, timeout=180)


def await_sshd(address: str) -> None:
    """Wait until something listens there. Raises SandboxError when nothing does."""
    until = time.monotonic() + SSHD_WITHIN
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex((address, 22)) == 0:
                return
        time.sleep(POLL)
    raise SandboxError(f"no sshd at {address} after {SSHD_WITHIN:.0f} s")


def is_ready(address: str) -> bool:
    """Whether the portal there says that the program's window is on the screen."""
    connection = http.client.HTTPConnection(address, PORT[Access.PORTAL], timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def applied(way: Way, arguments: Sequence[str], log: Path) -> list[tuple[float, str]]:
    """Run the checkout's pyinfra; the lines of its output, each with the second it came at, and the end ("").

    Raises SandboxError, with all of it in `log`, when it fails or takes too long.
    """
    command = [str(REPOSITORY / ".venv/bin/pyinfra"), *arguments]
    begun, lines = time.monotonic(), list[tuple[float, str]]()
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(
        command, cwd=way.checkout, env=way.environment, stdout=pipe, stderr=both, text=True, errors="replace"
    ) as process:
        watchdog = threading.Timer(WITHIN, process.kill)
        watchdog.start()
        try:
            for line in process.stdout or ():
                lines.append((time.monotonic() - begun, line))
        finally:
            watchdog.cancel()
    log.write_text("".join(f"{at:8.2f}  {line}" for at, line in lines))
    if process.returncode:
        raise SandboxError(f"{way.name}: pyinfra ended with status {process.returncode}: see {log}")
    return [*lines, (time.monotonic() - begun, "")]


def measured_box(bench: Bench, way: Way, log: Path) -> Times:
    """The stages of turning a bare box into a desktop."""
    with box(bench.key.with_suffix(".pub").read_text().strip()) as address:
        inventory = bench.folder / "box.py"
        reached = {"ssh_user": "root", "ssh_key": str(bench.key), "ssh_strict_host_key_checking": "no"}
        common = {"ssh_hostname": address, **reached, "ssh_known_hosts_file": "/dev/null", **bench.data}
        inventory.write_text(f"box = ([('box', {common!r})], {{}})\n")
        begun = time.monotonic()
        lines = applied(way, [str(inventory), "deploy.py", "-y"], log)
        end = time.monotonic()
        while not is_ready(address):
            if time.monotonic() - end > WITHIN:
                raise SandboxError(f"{way.name}: no window after {WITHIN} s: see {log}")
            time.sleep(POLL)
        there = time.monotonic()
    return {**timeline.stages(lines, lines[-1][0]), WINDOW: there - end, ALL: there - begun}


def measured_bake(bench: Bench, way: Way, log: Path) -> Times:
    """The stages of an image."""
    settings = {**bench.data, "repository": TAG}
    words = [word for key, value in settings.items() for word in ("--data", f"{key}={value}")]
    try:
        lines = applied(way, [f"@bake/{base_image()}", "deploy.py", "-y", *words], log)
    finally:
        if made := docker("images", "--quiet", TAG).split():
            docker("rmi", "--force", *dict.fromkeys(made), timeout=300)
    return {**timeline.stages(lines, lines[-1][0]), ALL: lines[-1][0]}


MEASURED = {"box": measured_box, "bake": measured_bake}


def require_room() -> None:
    """Raise SandboxError where a run could fill the disk that Docker keeps its images on."""
    root = docker("info", "--format", "{{.DockerRootDir}}").strip()
    free = shutil.disk_usage(root if Path(root).is_dir() else "/").free
    if free < ROOM:
        raise SandboxError(f"{root}: {free / 1e9:.0f} GB free, expected {ROOM / 1e9:.0f} GB")


def measure(bench: Bench, ways: Sequence[Way], which: Sequence[str], rounds: int) -> None:
    """Measure every way so often, in turns; what came out is in `bench.runs`, and said while it goes on."""
    for number in range(rounds):
        for route in which:
            turns = ways if number % 2 == 0 else ways[::-1]
            for way in turns:
                require_room()
                log = CACHE.parent / "bench" / f"from-bare-{route}-{way.name}-{number + 1}.log"
                log.parent.mkdir(parents=True, exist_ok=True)
                found = MEASURED[route](bench, way, log)
                bench.runs.setdefault(route, {}).setdefault(way.name, []).append(found)
                figures = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in found.items())
                say(f"round {number + 1}  {route} {way.name:6}  {figures} (load {os.getloadavg()[0]:.1f})")


def rows(runs: Runs, goal: float | None) -> list[list[str]]:
    """A row for each stage: the medians, the least and the most in brackets, and the ratio."""
    known = [*timeline.STAGES, WINDOW, ALL]
    named = {stage: None for way in runs.values() for times in way for stage in times}
    found = []
    for stage in sorted(named, key=lambda stage: known.index(stage) if stage in known else len(timeline.STAGES) - 0.5):
        values = {way: [times.get(stage, 0.0) for times in own] for way, own in runs.items()}
        medians = {way: statistics.median(own) for way, own in values.items()}
        cells = [stage, *map(figures, values.values())]
        if BESIDE in runs:
            ratio = medians[NOW] / medians[BESIDE] if medians[BESIDE] else 0.0
            cells.append(f"{ratio:.2f}" if ratio else "")
            cells.append(
                "" if goal is None or stage != ALL else f"≤ {goal}: {'met' if ratio <= goal else '**missed**'}"
            )
        found.append(cells)
    return found


def figures(values: Sequence[float]) -> str:
    """The median, the least and the most in brackets."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def report(runs: Mapping[str, Runs], beside: str | None, loads: tuple[float, float]) -> str:
    """The page: how it was measured, and a table for each route."""
    command = shlex.join(["python", "-m", "bench.from_bare", *sys.argv[1:]])
    lines = [
        "# From a bare machine to the program's window, by stage\n",
        f"- Command: `{command}`, {time.strftime('%Y-%m-%d')}",
        f"- Machine: {machine()}, which also runs the box; load {loads[0]:.1f} before, {loads[1]:.1f} after.",
        f"- Seconds: medians of rounds in turns, the least and the most in brackets. Variant `{VARIANT}`.",
        "- A stage lasts until the next one begins: what runs beside others counts where it is waited for.",
    ]
    if beside:
        lines.append(f"- Before: {beside}, from a worktree of its own.")
    for route, own in runs.items():
        heads = ["seconds for", *own, *(["ratio", "goal"] if BESIDE in own else [])]
        count = max(map(len, own.values()))
        lines += [f"\n## {TITLES[route]} ({count} rounds)\n", table(heads, rows(own, GOALS[route]))]
    return "\n".join([*lines, ""])


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    options = argparse.ArgumentParser(prog="python -m bench.from_bare", description=__doc__)
    options.add_argument("--only", choices=list(MEASURED), help="one of the two routes")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--beside", metavar="REF", default=BEFORE_UV, help=f"a commit ({BEFORE_UV}); '': none")
    options.add_argument("--quick", action="store_true", help="the sandbox's few requirements")
    options.add_argument("--write", type=Path, help=f"where the page goes ({RESULTS.relative_to(HERE.parent)})")
    return options


def prepare(folder: Path, *, quick: bool) -> Bench:
    """Everything the runs need."""
    ensure_engine()
    assets.up()
    key = folder / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], timeout=30)
    application = "sandbox" if quick else str(PROFILE)
    data = {"variant": VARIANT, "application": application, "mirrors": mirrors(assets.bridge_url())}
    return Bench(folder=folder, key=key, data=data)


def title_of(reference: str) -> str:
    """A commit as people call it. Raises SandboxError when there is none."""
    words = ["git", "-C", REPOSITORY, "log", "-1", "--format=%h, %s", reference, "--"]
    return run(words, timeout=30).strip()


def main() -> int:
    """Run the bench, print the page and write it down."""
    options = parser().parse_args()
    which = [options.only] if options.only else list(MEASURED)
    try:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="visomaster-bench-from-bare-")))
            ways = [Way(name=NOW, checkout=REPOSITORY)]
            beside = title_of(options.beside) if options.beside else None
            if beside:
                ways.insert(0, Way(name=BESIDE, checkout=stack.enter_context(worktree(options.beside))))
            bench, load = prepare(folder, quick=options.quick), os.getloadavg()[0]
            measure(bench, ways, which, options.rounds)
            page = report(bench.runs, beside, (load, os.getloadavg()[0]))
    except SandboxError as error:
        say(f"error: {error}")
        return 1
    print(page)
    (options.write or RESULTS).write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
