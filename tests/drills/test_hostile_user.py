"""A host whose user is hostile: nothing that root does there follows a link of theirs, runs or writes what they choose.

Every file that root touches in the life of a host (start, fetch, guide, deploy, repair, verify) is learned from its
system calls. No call may go by path through what the user can exchange; and while the user exchanges all of it for
links in a loop, nothing happens behind the links.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import pytest
from visomaster_host import paths, users

from sandbox.engine import docker_command
from tests.drills.followed import Judge, Offence, in_sticky, listed, tree_of
from tests.drills.hostile import CANARY, MODEL_LINKS, STORE, HostileBox, hostile_box, phases
from tests.drills.tracing import calls_of, traced
from tests.e2e.machine import wait_for_sshd

USERS = (
    str(paths.PROGRAM),
    str(paths.DEPENDENCIES),
    str(paths.WORKSPACE),
    f"/home/{users.DESKTOP}",
    "/run/visomaster/desktop",
)
"""The folders that are the user's."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """Calls that may go by what a user exchanges: `line` matches an `Offence.line`; `why` says why it is harmless."""

    line: str
    why: str


ALLOWED = (
    Allowed(
        line="reads find openat .*/\\.\\.$",
        why="find goes up by `..` of a folder it holds, and goes on only where device and inode are what they were",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What was seen of root's calls: those that follow, and the elements that the user can exchange, with how often."""

    offences: tuple[Offence, ...]
    touched: Mapping[str, int]
    phases: tuple[tuple[float, str], ...]

    def phase(self, offence: Offence) -> str:
        """In which part of the host's life it was."""
        return [name for begun, name in self.phases if begun <= offence.call.when][-1]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of somebody's own: what a deploy copies file by file."""
    folder = tmp_path_factory.mktemp("own")
    for name in ("main.py", "README.md", "app/window.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"# {name} of somebody's own\n")
    return folder


@pytest.fixture(scope="module")
def walk(asset_server: str, own: Path, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """A host's life under strace."""
    folder = tmp_path_factory.mktemp("walk")
    begun: list[tuple[float, str]] = []
    with hostile_box(folder, asset_server) as box:
        present = in_sticky(box, "-not", "-user", users.DESKTOP)
        with traced(box, folder / "trace", "/usr/sbin/sshd", "-D"):
            wait_for_sshd(box.port)
            for name, work in phases(box, own).items():
                if name in ("deploy", "repair"):
                    box.spoil()
                begun.append((time.time(), name))
                done = work()
                assert name in ("verify", "own") or done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
            tree = tree_of(box, users.DESKTOP, present)
    judge = Judge(tree=tree)
    offences = tuple(judge.offences(calls_of(folder / "trace")))
    return Walk(offences=offences, touched=judge.touched, phases=tuple(begun))


def test_root_goes_through_nothing_of_the_users(walk: Walk) -> None:
    """By its system calls: each that could have been led astray by a link is named, with program and path."""
    judged = [offence for offence in walk.offences if not any(re.match(a.line, offence.line) for a in ALLOWED)]
    assert not judged, "\n" + listed((offence, walk.phase(offence)) for offence in judged)


def test_what_is_allowed_is_still_needed(walk: Walk) -> None:
    """An exception that nothing needs any more would hide the next fault."""
    unused = [a.line for a in ALLOWED if not any(re.match(a.line, offence.line) for offence in walk.offences)]
    assert not unused


# Ways from the user to root, one by one


SYSTEM = ("/etc", "/usr", "/opt", "/root", "/var/lib")
PACKAGES = "/usr/lib/python3/dist-packages"
"""Python's own: a file NAME.pth there runs at every start of root's Python."""
RACES = 24
"""Fetches against which the user races."""


@pytest.fixture(scope="module")
def besieged(asset_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileBox]:
    """A host that was set up and is ready, with a user who was good until now."""
    with hostile_box(tmp_path_factory.mktemp("besieged"), asset_server) as box:
        box.output("/usr/sbin/sshd")
        wait_for_sshd(box.port)
        for command in ("visomaster-start", "visomaster-ready --wait 100"):
            done = box.ssh(command, timeout=110)
            assert done.returncode == 0, done.stdout + done.stderr
        yield box


def test_a_deploy_gives_away_no_file_through_a_link(besieged: HostileBox) -> None:
    """Laid beforehand where a deploy writes, to a folder and to a file that is not there: no race is needed."""
    for place, target in ((f"{paths.GUIDE}.new", "/etc/apt/apt.conf.d"), (f"{paths.GUIDE}", "/etc/cron.d/theirs")):
        besieged.spoil()
        besieged.as_user(f"rm -rf {place}; ln -s {target} {place}")
        done = besieged.deploy("layers=services")
        besieged.as_user(f"rm -f {place}")
        theirs = besieged.output("find", *SYSTEM, "-xdev", "-user", users.DESKTOP)
        new = besieged.run("ls", "-l", "/etc/apt/apt.conf.d/null", "/etc/cron.d/theirs").stdout
        besieged.output("rm", "-f", "/etc/apt/apt.conf.d/null", "/etc/cron.d/theirs")
        assert (theirs, new) == ("", ""), f"{place}, deploy: {done.returncode}"


def test_a_models_folder_that_is_a_link_leads_root_nowhere(besieged: HostileBox) -> None:
    """MODELS_DIR on the user's volume, made a link to the system's Python: no model, no record, no lock gets there."""
    before = besieged.output("ls", "-A", PACKAGES)
    besieged.as_user(f"mv {STORE} {STORE}.aside && ln -s {PACKAGES} {STORE}")
    said = [besieged.ssh(command) for command in ("visomaster-fetch", "visomaster-start", "visomaster-fetch --verify")]
    new = set(besieged.output("ls", "-A", PACKAGES).splitlines()) - set(before.splitlines())
    besieged.output("sh", "-c", f"cd {PACKAGES} && rm -rf -- {' '.join(new)} /nowhere")
    besieged.as_user(f"rm {STORE}; mv {STORE}.aside {STORE}")
    assert new == set(), said[0].stdout + said[0].stderr


def test_no_race_leads_the_fetcher_into_the_systems_python(
    besieged: HostileBox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program's folder of models exchanged for a link while root's fetcher lays its links there."""
    won = 0
    before = set(besieged.output("ls", "-A", PACKAGES).splitlines())
    with besieged.attacked({MODEL_LINKS: PACKAGES}, {}, {}) as counts:
        for _ in range(RACES):
            besieged.ssh("visomaster-fetch")
            new = set(besieged.output("ls", "-A", PACKAGES).splitlines()) - before
            won += bool(new)
            besieged.output("sh", "-c", f"cd {PACKAGES} && rm -rf -- {' '.join(new)} /nowhere")
    with capsys.disabled():
        print(f"\n    {counts['laid']} links laid in {RACES} fetches, {won} led root astray", end=" ")
    assert counts["laid"] > 100
    assert won == 0


HELPER = 'open("/root/ran-as-root", "w")'


def test_the_guide_runs_nothing_of_the_users(besieged: HostileBox) -> None:
    """Neither a module that lies beside it, nor a line that somebody added to it: both are root's alone."""
    guide = besieged.output("readlink", "-f", str(paths.GUIDE)).strip()
    for folder in {str(paths.GUIDE.parent), str(Path(guide).parent)}:
        besieged.as_user(f"echo '{HELPER}' >{folder}/contextlib.py")
    besieged.cells("start")
    ran = besieged.run("rm", "/root/ran-as-root").returncode == 0
    besieged.as_user(f"rm -f {paths.GUIDE.parent}/contextlib.py")
    assert not ran
    for path in (guide, *(str(parent) for parent in Path(guide).parents)):
        assert besieged.as_user(f"test -w {path}").returncode != 0, f"{path} can be written by {users.DESKTOP}"


FORETOLD = """
import json, os, select, sys, time
names, held = json.loads(sys.argv[1]), []
for name in names:
    held.append(os.open(name, os.O_RDWR | os.O_CREAT, 0o666))
    os.fchmod(held[-1], 0o666)
seen = set()
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    seen |= {f"/tmp/{name}" for name in os.listdir("/tmp")}
    time.sleep(0.002)
print(json.dumps({"seen": sorted(seen), "given": [name for name, fd in zip(names, held) if os.fstat(fd).st_size]}))
"""
"""The user: makes files beforehand and holds them open, sees which names come and go, says which were written to."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a user saw in /tmp, and the files of theirs that somebody wrote to."""

    seen: frozenset[str]
    given: frozenset[str]


def deploy_watched(box: HostileBox, names: frozenset[str]) -> Watched:
    """A deploy that brings files, while the user watches /tmp and owns `names` there."""
    box.spoil()
    words = [docker_command(), "exec", "--interactive", f"--user={users.DESKTOP}", box.name, "python3", "-c", FORETOLD]
    with subprocess.Popen([*words, json.dumps(sorted(names))], stdin=PIPE, stdout=PIPE, text=True) as watcher:
        assert watcher.stdin and watcher.stdout
        assert watcher.stdout.readline() == "ready\n"
        done = box.deploy("layers=programs")
        watcher.stdin.close()
        said = json.loads(watcher.stdout.read())
    assert done.returncode == 0, done.stderr
    return Watched(seen=frozenset(said["seen"]), given=frozenset(said["given"]))


def test_no_name_that_root_writes_to_can_be_foretold(besieged: HostileBox) -> None:
    """The user makes the names that one deploy used in /tmp before the next: nothing is put into their files."""
    before = frozenset(f"/tmp/{name}" for name in besieged.output("ls", "-A", "/tmp").splitlines())
    learned = deploy_watched(besieged, frozenset()).seen - before
    assert deploy_watched(besieged, learned).given == frozenset()


# While the user exchanges everything for links


OFTEN = 50
"""What root touches more often than this in its life is not attacked more often for it."""
FETCHES = 6
"""Fetches of a round, each half a second long."""


def besiege(box: HostileBox, own: Path) -> list[str]:
    """A round of all that root does, none of which has to succeed. Returns how each ended, for people."""
    ended = []
    work = phases(box, own)
    for name in ("start", *["fetch"] * FETCHES, "deploy", *["fetch"] * FETCHES, "repair", "own", "verify"):
        if name in ("fetch", "deploy", "repair"):
            box.spoil()
        ended.append(f"{name} {work[name]().returncode}")
    return ended


def test_nothing_happens_behind_the_links_of_a_hostile_user(
    besieged: HostileBox, walk: Walk, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each link leads to root's copy of what the user has there: none is read, written, added to or given away."""
    besieged.lay_canaries([folder for folder in USERS if not folder.startswith("/home")])
    links = {path: f"{CANARY}{path}" for path in walk.touched if path.startswith(USERS)}
    folders = {str(Path(path).parent) for path in links}
    before, owners = besieged.canaries(), besieged.owned(*USERS)
    there = {folder: f"{CANARY}{folder}" for folder in folders if f"{CANARY}{folder}" in before}
    weights = {path: min(walk.touched[path], OFTEN) for path in links}
    with besieged.attacked(links, there, weights) as counts:
        ended = besiege(besieged, own)
    after, now = besieged.canaries(), besieged.owned(*USERS)
    with capsys.disabled():
        print(f"\n    {counts['laid']} links laid, {counts['missed']} too late; {', '.join(ended)}", end=" ")
    assert counts["laid"] > 200  # a burst counts once
    assert changes(before, after) == []
    listing = f"{paths.PROGRAM_FILES}: nothing -> root:root 644"  # of the program of their own, if it got that far
    elsewhere = [line for line in changes(owners, now) if "__pycache__" not in line and line != listing]
    assert [line for line in elsewhere if ": nothing -> " in line or f"-> {users.DESKTOP}:" in line] == []


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is new, gone or another, a line each."""
    paths_ = sorted(before.keys() | after.keys())
    return [
        f"{path}: {before.get(path, 'nothing')} -> {after.get(path, 'nothing')}"
        for path in paths_
        if before.get(path) != after.get(path)
    ]
