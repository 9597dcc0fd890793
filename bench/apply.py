"""Measure how long this playbook takes over SSH, beside Ansible: `make bench-apply`, or

    python -m bench.apply [--hosts 1 5 10] [--delay 0 50] [--runs 3]

Boxes are containers of the image that `make up` bakes, with sshd. All that has to be downloaded (packages, the Conda
environment, the program, its models) is there, since the network is not what is compared; before a first run everything
else that the deploy writes is removed. Nothing is started on the boxes: that is the same command for everybody. Ansible
runs `apply_by_ansible.yml`, which makes the same host; every run's result is compared with the first one's. The three
take turns, so that a busy machine is equally unfair to them; the table shows medians.

On two cores all of it takes an hour, nearly all of which is Ansible's. So each line of the table is kept once it is
measured, and the page has the lines that were measured with the same code, whichever run they are of.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from visomaster_host import paths, users

from bench import apply_ansible as ansible
from bench.processes import machine
from sandbox import assets
from sandbox.desktop import INPUTS, bake, mirrors
from sandbox.engine import build, docker, ensure_engine
from sandbox.shell import LABEL, REPOSITORY, SandboxError, fingerprint, run, say
from spec.layer import IMAGE_LAYERS
from spec.settings import Settings, read_settings

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "apply.md"
BOX = HERE / "apply_box"
IMAGE = "visomaster-bench/apply"
CACHE = REPOSITORY / ".cache" / "bench"
WITHIN = 600
"""Seconds after which a run counts as stuck."""
GOALS = {("second", "ansible"): 5.0, ("second", "mitogen"): 2.0, ("first", "ansible"): 1.0, ("first", "mitogen"): 1.0}
TOOLS = {"pyinfra": "this playbook", "ansible": "ansible-core, pipelining", "mitogen": "ansible-core, Mitogen"}
WRITTEN = (
    *(
        str(paths.LOCALE),
        "/etc/profile.d",
        str(paths.ETC),
        str(paths.SUPERVISOR_PROGRAMS),
        str(paths.PACKAGES),
    ),
    *(
        str(paths.COMMANDS),
        str(paths.SHARE),
        str(paths.SUPERVISOR_LOGS),
        str(paths.PORTAL_LOGS),
        str(paths.WORKSPACE),
    ),
    str(paths.PROGRAM),
)
STATE = (
    f"find {' '.join(WRITTEN)} -name __pycache__ -prune -o -printf '%p %y %m %u:%g\\n' | sort;"
    f" find {' '.join(WRITTEN)} -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum;"
    f" getent passwd {users.DESKTOP}"
)
Address = tuple[str, int]
Times = dict[str, dict[str, list[float]]]
Lines = dict[str, tuple[Times, float]]
"""By boxes and milliseconds ("5, 50"): the times, and the load of the machine before."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all runs share: `folder` for what they need, the boxes' SSH `key`, the deploy's `settings` and data."""

    folder: Path
    key: Path
    settings: Settings
    data: Mapping[str, str]
    programs: Path


@contextlib.contextmanager
def boxes(count: int, public_key: str) -> Iterator[list[str]]:
    """Run `count` containers with sshd and yield their names; they are removed in any case."""
    names = [f"vm-bench-apply-{os.getpid()}-{number}" for number in range(count)]
    options = ("--detach", "--init", "--no-healthcheck", f"--label={LABEL}=1", f"--env=AUTHORIZED_KEY={public_key}")
    try:
        for name in names:
            docker("run", *options, f"--name={name}", IMAGE)
        yield names
    finally:
        docker("rm", "--force", "--volumes", *names, timeout=120)


def address_of(box: str) -> str:
    """The address of the container `box` on Docker's bridge."""
    return docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", box).strip()


@contextlib.contextmanager
def at(delay: int, addresses: Sequence[str]) -> Iterator[list[Address]]:
    """Where sshd on each of `addresses` is reached with a round trip of `delay` milliseconds more than there is."""
    if not delay:
        yield [(one, 22) for one in addresses]
        return
    command = [sys.executable, "-m", "bench.delay", str(delay), *(f"{one}:22" for one in addresses)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout
        try:
            yield [("127.0.0.1", port) for port in json.loads(relay.stdout.readline())]
        finally:
            relay.terminate()


def by_pyinfra(bench: Bench, targets: Sequence[Address]) -> Callable[[], tuple[float, int]]:
    """A run of this playbook over `targets`: how long it takes, and how much it changes."""
    inventory = bench.folder / "boxes.py"
    reached = {"ssh_user": "root", "ssh_key": str(bench.key), "ssh_strict_host_key_checking": "no"}
    common = {**reached, "ssh_known_hosts_file": "/dev/null", **bench.data}
    hosts = [(f"box{i}", {"ssh_hostname": host, "ssh_port": port}) for i, (host, port) in enumerate(targets)]
    inventory.write_text(f"boxes = ({hosts!r}, {common!r})\n")
    command: list[str | Path] = [REPOSITORY / ".venv/bin/pyinfra", inventory, "deploy.py", "-y", "--json"]

    def apply() -> tuple[float, int]:
        seconds, output = _timed(command, {"PYINFRA_PROGRESS": "off"})
        return seconds, json.loads(output)["results"]["totals"]["success"]

    return apply


def by_ansible(bench: Bench, targets: Sequence[Address], *, mitogen: bool) -> Callable[[], tuple[float, int]]:
    """A run of Ansible's playbook over `targets`: how long it takes, and how much it changes."""
    variables = ansible.variables(bench.settings, bench.folder / "archives")
    inventory = ansible.write_inventory(bench.folder, targets, bench.key, variables)
    command: list[str | Path] = [bench.programs / "ansible-playbook", "-i", inventory, ansible.PLAYBOOK]

    def apply() -> tuple[float, int]:
        with tempfile.TemporaryDirectory(prefix="ssh-") as folder:  # sockets have short names only
            settings = ansible.environment(bench.programs, Path(folder), len(targets), mitogen=mitogen)
            seconds, output = _timed(command, settings)
        return seconds, ansible.changes(output, len(targets))

    return apply


def _timed(command: Sequence[str | Path], environment: Mapping[str, str]) -> tuple[float, str]:
    begun = time.monotonic()
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **environment}, capture_output=True, text=True, timeout=WITHIN,
        check=False,
    )  # fmt: skip
    seconds = time.monotonic() - begun
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise SandboxError(f"{Path(command[0]).name} ended with status {done.returncode}, see above")
    return seconds, done.stdout


def strip(names: Sequence[str]) -> None:
    """Take the boxes back to before a first run."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: docker("exec", name, "/srv/strip.sh"), names))


def state_of(box: str) -> str:
    """What a run decides of a box: names, modes, owners and contents."""
    return docker("exec", box, "sh", "-c", STATE)


def same(tool: str, found: str, expected: str) -> None:
    """Raise SandboxError when a tool has made another host than this playbook."""
    differing = sorted(set(found.splitlines()) ^ set(expected.splitlines()))
    if differing:
        raise SandboxError(f"{TOOLS[tool]} makes another host: {differing[0]} (and {len(differing) - 1} more)")


def measure(bench: Bench, names: Sequence[str], delay: int, runs: int) -> Times:
    """First and second runs of all three, in turns, on the boxes `names`."""
    found: Times = {tool: {"first": [], "second": []} for tool in TOOLS}
    with at(delay, [address_of(name) for name in names]) as targets:
        strip(names)
        apply = by_pyinfra(bench, targets)
        apply()  # also what Ansible copies from
        expected = state_of(names[0])
        ansible.archives(names[0], bench.folder / "archives")
        tools = {
            "pyinfra": apply,
            "ansible": by_ansible(bench, targets, mitogen=False),
            "mitogen": by_ansible(bench, targets, mitogen=True),
        }
        for number in range(runs):
            for tool, again in tools.items():
                strip(names)
                for which in found[tool]:
                    seconds, changed = again()
                    if bool(changed) is not (which == "first"):
                        raise SandboxError(f"{TOOLS[tool]}: {changed} changes in a {which} run")
                    found[tool][which].append(seconds)
                same(tool, state_of(names[-1]), expected)
                figures = ", ".join(f"{which} {all_of[-1]:.1f}" for which, all_of in found[tool].items())
                say(f"{len(names):2} boxes, {delay:2} ms, run {number + 1}  {tool:8}  {figures}")
    return found


def table(lines: Lines) -> str:
    """The medians as Markdown, the least and the most in brackets, and how the others compare."""
    ratios = [f"{tool} / this" for tool in ("ansible", "mitogen")]
    columns = ["boxes", "round trip", "run", *TOOLS.values(), *ratios, "goal", "load before"]
    rows = [f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"]
    for name, (times, load) in sorted(lines.items(), key=lambda line: [int(part) for part in line[0].split(",")]):
        count, delay = name.split(", ")
        for which in ("first", "second"):
            medians = {tool: statistics.median(times[tool][which]) for tool in TOOLS}
            ratio = {tool: medians[tool] / medians["pyinfra"] for tool in ("ansible", "mitogen")}
            met = all(ratio[tool] >= GOALS[which, tool] for tool in ratio)
            cells = [count, f"{delay} ms", which, *(_figures(times[tool][which]) for tool in TOOLS)]
            cells += [*(f"{one:.1f}" for one in ratio.values()), "met" if met else "missed", f"{load:.1f}"]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _figures(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f}; {len(values)})"


def report(lines: Lines) -> str:
    """The page: how it was measured, and the table."""
    return "\n".join(
        [
            "# Applying over SSH, beside Ansible\n",
            f"- Command: `python -m bench.apply`, in parts, {time.strftime('%Y-%m-%d')}",
            f"- Machine: {machine()}, which also runs all the boxes",
            "- Seconds from start to end of the command: the median of runs in turns; in brackets least, most and"
            " how many.",
            f"- Peers: {', '.join(ansible.PINNED)}, the tasks of `bench/apply_by_ansible.yml`; all hosts at once. Every"
            " run ends with the same files, modes and owners as this playbook's, and a second one changes nothing.",
            "- First: what the deploy writes is missing; packages, environment, program and models are there. Second:"
            " nothing to do. Nothing is started on the boxes. The round trip is made by `bench/delay.py`.",
            "- Goal: second run 5 times as fast as ansible-core, twice as fast as Mitogen; first run never slower.\n",
            table(lines),
            "",
        ]
    )


def kept() -> Path:
    """Where lines are kept that were measured with the code as it is."""
    code = (*(REPOSITORY / name for name in INPUTS), HERE / "apply.py", HERE / "apply_ansible.py", ansible.PLAYBOOK)
    return CACHE / f"apply-{fingerprint(*code)}.json"


def prepare(folder: Path, image: str | None) -> Bench:
    """Everything the runs need; the boxes' image is made from `image`, or from what `make up` bakes."""
    ensure_engine()
    baked = image or bake("default")
    build(BOX, IMAGE, labels={LABEL: "1"}, arguments={"BASE": baked})
    key = folder / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], timeout=30)
    data = {"variant": "default", "application": "sandbox", "mirrors": mirrors(assets.bridge_url())}
    data["layers"] = ",".join(IMAGE_LAYERS)
    programs = ansible.ensure_ansible(CACHE / "ansible")
    return Bench(folder=folder, key=key, settings=read_settings(data), data=data, programs=programs)


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    options = argparse.ArgumentParser(prog="python -m bench.apply", description=__doc__)
    options.add_argument("--hosts", type=int, nargs="+", default=[1, 5, 10], metavar="COUNT")
    options.add_argument("--delay", type=int, nargs="+", default=[0, 50], metavar="MS", help="round trip")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--image", help="an image of the variant default, instead of the one `make up` bakes")
    options.add_argument("--write", type=Path, help=f"where the table goes ({RESULTS.relative_to(HERE.parent)})")
    return options


def main() -> int:
    """Run the bench, print the table and write it down."""
    options = parser().parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="visomaster-bench-apply-") as folder:
            bench = prepare(Path(folder), options.image)
            lines: Lines = json.loads(kept().read_text()) if kept().exists() else {}
            with boxes(max(options.hosts), bench.key.with_suffix(".pub").read_text().strip()) as names:
                for count in options.hosts:
                    for delay in options.delay:
                        load = os.getloadavg()[0]
                        lines[f"{count}, {delay}"] = measure(bench, names[:count], delay, options.runs), load
                        kept().write_text(json.dumps(lines))
    except SandboxError as error:
        say(f"error: {error}")
        return 1
    page = report(lines)
    print(page)
    (options.write or RESULTS).write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
