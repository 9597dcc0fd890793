"""Root fetches where the program's user can write: whatever that user lays in the way, root follows and believes none
of it. All of it needs root, to be root and somebody else at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from visomaster_host.fetch import links

from tests.fetch.faults import Fault
from tests.fetch.world import SMALL, World

SOMEBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"

EXCHANGE = """
import ctypes, os, sys
folder, spare, victim = (os.fsencode(name) for name in sys.argv[1:])
os.symlink(victim, spare)
libc, exchange = ctypes.CDLL(None), 2
print("exchanging", flush=True)
while True:
    libc.renameat2(-100, folder, -100, spare, exchange)
"""
"""Make a folder a link and a folder again, as fast as it goes."""


@pytest.fixture(autouse=True)
def _as_root(world: World) -> None:
    """Everybody may look into the test's own folders, as into /app."""
    assert os.geteuid() == 0, "needs root"
    for folder in (world.root, *world.root.parents):
        if folder.name.startswith("pytest-") or folder == world.root:
            folder.chmod(0o755)


@pytest.fixture
def victim(world: World) -> Path:
    """A folder of root's, as Python's dist-packages is, into which nobody else may bring anything."""
    folder = world.root / "victim"
    folder.mkdir(mode=0o755)
    return folder


def give(*folders: Path) -> None:
    """Let somebody else have these folders."""
    for folder in folders:
        folder.mkdir(exist_ok=True)
        os.chown(folder, SOMEBODY, SOMEBODY)


@contextmanager
def somebody(*command: str) -> Iterator[None]:
    """Somebody else's program, once it says that it works."""
    who = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []}
    with subprocess.Popen([SYSTEM_PYTHON, "-c", *command], stdout=subprocess.PIPE, **who) as process:
        assert process.stdout is not None and process.stdout.readline()
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)


def test_no_link_is_laid_where_a_folder_was_a_moment_ago(world: World, victim: Path) -> None:
    """The tree's `model_assets` is exchanged for a link to a folder of root's, all the time."""
    for number in range(8):
        world.add(f"{number}.pth")
    assert world.fetch("--no-link") == 0
    give(world.tree, world.tree / "model_assets")
    spare = world.tree / "spare"
    with somebody(EXCHANGE, str(world.tree / "model_assets"), str(spare), str(victim)):
        for _ in range(60):
            world.fetch()
            assert [path.name for path in victim.iterdir()] == []


@pytest.mark.parametrize("inner", ["", "lp/"])
def test_no_file_comes_where_a_folder_was_a_moment_ago(world: World, victim: Path, inner: str) -> None:
    """The store, or a folder in it, is exchanged for a link to a folder of root's, all the time."""
    (victim / "lp").mkdir()
    volume = world.root / "volume"
    give(volume, volume / "models", volume / "models/lp")
    world.add(f"{inner}a.pth", 1000)
    goal, spare = (volume / "models" / inner), volume / "spare"
    with somebody(EXCHANGE, str(goal), str(spare), str(victim)):
        for _ in range(60):
            world.fetch("--store", str(volume / "models"), "--no-link")
            assert [path.name for path in victim.rglob("*")] == ["lp"]
            (volume / "models" / inner / "a.pth").unlink(missing_ok=True)


def test_a_store_that_is_somebodys_link_is_refused(
    world: World, victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MODELS_DIR=/workspace/models, and the program has made that a link to a folder of root's."""
    world.add("a.pth")
    volume = world.root / "volume"
    give(volume)
    (volume / "models").symlink_to(victim)
    assert world.fetch("--store", str(volume / "models")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"visomaster-fetch: {volume}/models: is a link that others than root may have laid")
    assert list(victim.iterdir()) == []


def test_what_is_left_at_an_unfinished_file_is_not_written_to(world: World, victim: Path) -> None:
    """Links, pipes and other people's files where root would go on with its own."""
    give(world.store)
    (victim / "precious").write_text("precious")
    world.add("a.onnx")
    world.add("b.onnx")
    world.add("c.onnx")
    (world.store / "a.onnx.part").symlink_to(victim / "precious")
    os.mkfifo(world.store / "b.onnx.part")
    theirs = world.store / "c.onnx.part"
    theirs.write_bytes(b"")
    os.chown(theirs, SOMEBODY, SOMEBODY)
    with theirs.open("r+b") as held:
        assert world.fetch() == 0
        held.write(b"something else")
    world.check(0, failed=set())
    assert (victim / "precious").read_text() == "precious"
    assert {path.stat().st_uid for path in world.store.glob("*.onnx")} == {0}


@pytest.mark.parametrize("name", [".lock", ".verified.json", ".downloaded", "a.onnx"])
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_nothing_in_the_way_holds_it_up_or_is_written_through(world: World, victim: Path, name: str, kind: str) -> None:
    """One line says what is wrong where it cannot be mended."""
    give(world.store)
    world.add("a.onnx")
    (victim / "precious").write_text("precious")
    if kind == "pipe":
        os.mkfifo(world.store / name)
    else:
        (world.store / name).symlink_to(victim / "precious")
    done = subprocess.run(world.command(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == (1 if name == ".lock" else 0), done.stderr
    assert len(done.stderr.splitlines()) == done.returncode
    assert (victim / "precious").read_text() == "precious"


def plant(world: World, data: bytes) -> Path:
    """Somebody's file in place of a model."""
    path = world.store / "a.onnx"
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    os.chown(path, SOMEBODY, SOMEBODY)
    return path


def test_a_record_of_somebodys_is_not_believed(world: World) -> None:
    """They wrote down that their own file was proven."""
    give(world.store)
    wanted = world.add("a.onnx")
    status = plant(world, b"x" * SMALL).stat()
    entry = [status.st_size, status.st_mtime_ns, world.entries[0]["sha256"]]
    for longer in ([], [status.st_ctime_ns, status.st_ino]):
        forged = {"schema": 1, "files": {"model_assets/a.onnx": [*entry[:2], *longer, entry[2]]}}
        (world.store / ".verified.json").write_text(json.dumps(forged))
        os.chown(world.store / ".verified.json", SOMEBODY, SOMEBODY)
        world.check(world.fetch(), failed=set())
        assert (world.store / "a.onnx").read_bytes() == wanted
        plant(world, b"x" * SMALL)
        os.utime(world.store / "a.onnx", ns=(status.st_mtime_ns, status.st_mtime_ns))


def test_a_proven_file_of_somebodys_that_changes_is_noticed(world: World) -> None:
    """Its size and time are what they were: those they can set."""
    give(world.store)
    wanted = world.add("a.onnx")
    path = plant(world, wanted)
    world.check(world.fetch(), failed=set())
    assert world.site.requests == [], "what they brought was right"
    before = path.stat()
    path.write_bytes(b"x" * SMALL)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    world.check(world.fetch(), failed=set())
    assert path.read_bytes() == wanted


def test_a_second_run_over_a_folder_of_somebodys_reads_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proven there is kept in a place of root's: gigabytes are not hashed at each start."""
    give(world.store)
    plant(world, world.add("a.onnx"))
    world.add("b.onnx")
    assert world.fetch() == 0
    assert not (world.store / ".verified.json").exists()
    monkeypatch.setattr("visomaster_host.fetch.store.sha256_of", lambda *_: pytest.fail("hashed again"))
    assert world.fetch() == 0


def test_what_root_has_begun_stays_roots(world: World) -> None:
    """Nobody else may change it before it is proven, or after."""
    give(world.store, world.tree)
    world.add("folder/a.onnx", say_size=True)
    world.site.script["/folder/a.onnx"] = [Fault(cut=100_000), Fault(status=404)]
    assert world.fetch() == 1
    made = [path for path in world.store.rglob("*") if path.name != ".lock"]
    assert {path.name for path in made} == {"folder", "a.onnx.part", "a.onnx.part.map"}
    world.check(world.fetch(), failed=set())
    made = list(world.store.rglob("*"))
    assert {path.stat().st_uid for path in made} == {0}
    assert not any(path.stat().st_mode & 0o022 for path in made)
    link = world.tree / "model_assets/folder/a.onnx"
    assert link.lstat().st_uid == link.parent.stat().st_uid == SOMEBODY


def test_only_root_can_hold_the_lock_of_its_store(world: World) -> None:
    """Whoever can open it, were it for reading, can keep every fetch waiting."""
    world.add("a.onnx")
    world.store.mkdir()
    (world.store / ".lock").touch(mode=0o644)
    assert world.fetch() == 0
    assert (world.store / ".lock").stat().st_mode & 0o777 == 0o600


def test_who_links_is_the_trees_owner_and_knows_nothing_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No token, no other group, no terminal; and what it says is no command for ours."""
    give(world.tree)
    world.add("a.onnx")
    says = world.root / "says"
    give(says)
    spy = world.root / "spy"
    spy.write_text(
        f"#!/bin/sh\n{{ id -u; id -G; env; cat /proc/$$/stat; }} >{says}/it\nprintf '\\033]0;typed\\a\\n'\nexit 3\n"
    )
    spy.chmod(0o755)
    monkeypatch.setattr(links, "PYTHON", str(spy))
    monkeypatch.setenv("HF_TOKEN", "canary-token")
    assert world.fetch() == 1
    lines = (says / "it").read_text().splitlines()
    assert lines[:2] == [str(SOMEBODY), str(SOMEBODY)]
    assert "canary-token" not in "".join(lines)
    assert lines[-1].rpartition(")")[2].split()[4] == "0", "it has a terminal"
    error = capsys.readouterr().err
    assert error.splitlines() == [
        f"visomaster-fetch: {world.tree}: linking as user {SOMEBODY} failed: status 3: ?]0;typed?"
    ]


@pytest.mark.parametrize(
    "says", ["", "null", "[1, 2]", '"ab"', "[[[" * 100_000, '[["no.onnx", {}], [{"a": 1}, "\\u001b"]]']
)
def test_whatever_the_trees_owner_answers_is_one_line_or_none(
    world: World, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is their process: they can have it say anything."""
    give(world.tree)
    world.add("a.onnx")
    (world.root / "says").write_text(says)
    liar = world.root / "liar"
    liar.write_text(f"#!/bin/sh\ncat {world.root}/says\n")
    liar.chmod(0o755)
    monkeypatch.setattr(links, "PYTHON", str(liar))
    assert world.fetch() == 1
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("visomaster-fetch: ") and line.isprintable() for line in lines)
    assert 1 <= len(lines) <= 2
