"""A store: shared, complete, damaged, and linked into the checkout."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fetch.faults import Fault
from tests.fetch.world import LARGE, SMALL, World

# -- sharing


def test_two_fetchers_at_once_fetch_everything_once(world: World) -> None:
    world.add("a.onnx", LARGE)
    world.add("b.onnx")
    world.site.rate = 4_000_000
    both = [subprocess.Popen(world.command(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("another fetch is using" in output for output in outputs) == 1
    assert world.site.sent <= LARGE + SMALL + 2
    world.check(0, failed=set())


def test_a_complete_store_that_is_read_only_is_good_enough(world: World) -> None:
    """A store mounted read-only into several containers; an incomplete one is named."""
    world.add("a.onnx")
    assert world.fetch() == 0
    world.add("b.onnx", group="optional")
    world.root.chmod(0o755)
    with read_only(world.store):
        complete = unprivileged(world, "--no-link")
        assert (complete.returncode, complete.stderr) == (0, "")
        lacking = unprivileged(world, "--no-link", "--group", "required", "optional")
        assert lacking.returncode == 1
        assert lacking.stderr == f"visomaster-fetch: {world.store}: not writable, and files are missing\n"


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the write permission away."""
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


def unprivileged(world: World, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command as somebody who is not root (root may write to everything)."""
    command = [word for word in world.command(*more) if word != "--state" and not word.endswith("fetch.json")]
    who = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
    if who:
        # pytest's temporary folders are closed to others.
        for folder in [world.root, *world.root.parents][:3]:
            folder.chmod(0o755)
        command[0] = "/usr/bin/python3"  # the running one may lie in root's home
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **who)


def test_it_works_unprivileged(world: World) -> None:
    if os.geteuid() == 0:
        for folder in (world.store, world.tree):
            folder.mkdir()
            os.chown(folder, 65534, 65534)
    world.add("folder/a.onnx")
    done = unprivileged(world)
    assert (done.returncode, done.stderr) == (0, "")
    assert (world.store / "folder/a.onnx").stat().st_mode & 0o777 == 0o644
    assert (world.tree / "model_assets/folder/a.onnx").is_symlink()


def test_what_it_writes_can_be_read_whatever_the_logins_umask_is(world: World) -> None:
    world.add("folder/a.onnx")
    done = subprocess.run(world.command(), capture_output=True, text=True, timeout=120, umask=0o077)
    assert (done.returncode, done.stderr) == (0, "")
    made = [world.store / "folder/a.onnx", world.store / "folder", world.tree / "model_assets/folder"]
    assert [path.stat().st_mode & 0o055 for path in made] == [0o044, 0o055, 0o055]


# -- nothing to do


def test_a_second_run_asks_nobody_and_changes_nothing(world: World) -> None:
    world.add("a.onnx")
    assert world.fetch() == 0
    asked, before = len(world.site.requests), sorted((p.name, p.stat().st_mtime_ns) for p in world.store.iterdir())
    assert world.fetch() == 0
    assert len(world.site.requests) == asked
    assert sorted((p.name, p.stat().st_mtime_ns) for p in world.store.iterdir()) == before


def test_verify_finds_what_size_and_mtime_hide(world: World) -> None:
    data = world.add("a.onnx")
    assert world.fetch() == 0
    path = world.store / "a.onnx"
    status = path.stat()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert world.fetch() == 0
    assert path.read_bytes() != data, "the record is believed"
    world.check(world.fetch("--verify"), failed=set())


def test_a_changed_or_missing_file_takes_the_marker_away(world: World) -> None:
    world.add("a.onnx")
    assert world.fetch() == 0
    (world.store / "a.onnx").write_bytes(b"short")
    world.site.always["/a.onnx"] = Fault(status=404)
    assert world.fetch() == 1
    assert not world.marker.exists()


def test_files_somebody_copied_are_taken_after_hashing(world: World) -> None:
    data = world.add("a.onnx")
    world.store.mkdir()
    (world.store / "a.onnx").write_bytes(data)
    world.check(world.fetch(), failed=set())
    assert not world.site.requests


def test_a_damaged_record_is_no_reason_to_fetch_again(world: World) -> None:
    world.add("a.onnx")
    assert world.fetch() == 0
    asked = len(world.site.requests)
    (world.store / ".verified.json").write_text('{"files": [1]}')
    world.check(world.fetch(), failed=set())
    assert len(world.site.requests) == asked


# -- linking


def test_links_stand_beside_what_the_checkout_ships(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.onnx", "lp/b.onnx", "mine.onnx", "linked.onnx", "dangling.onnx", "old.onnx"):
        world.add(name)
    assets = world.tree / "model_assets"
    (assets / "lp").mkdir(parents=True)
    (assets / "grid.so").write_text("shipped")
    (assets / "lp/mean.pkl").write_text("shipped")
    (assets / "mine.onnx").write_text("mine")
    (assets / "linked.onnx").symlink_to(assets / "mine.onnx")
    (assets / "dangling.onnx").symlink_to("/nowhere")
    (assets / "old.onnx").symlink_to(world.store / "a.onnx")
    assert world.fetch() == 0
    for name in ("a.onnx", "lp/b.onnx", "dangling.onnx", "old.onnx"):
        assert (assets / name).readlink() == world.store / name
    assert (assets / "grid.so").read_text() == (assets / "lp/mean.pkl").read_text() == "shipped"
    assert (assets / "mine.onnx").read_text() == "mine"
    assert (assets / "linked.onnx").readlink() == assets / "mine.onnx"
    assert (assets / "dfm_models").is_dir()
    kept = [line for line in capsys.readouterr().out.splitlines() if line.startswith("kept: ")]
    assert [line.split()[1] for line in kept] == [str(assets / "mine.onnx"), str(assets / "linked.onnx")]


def test_a_place_that_cannot_be_linked_fails(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add("lp/b.onnx")
    (world.tree / "model_assets").mkdir(parents=True)
    (world.tree / "model_assets/lp").write_text("a file")
    assert world.fetch() == 1
    assert "is not a folder, a folder is needed there" in capsys.readouterr().err
    assert world.marker.exists(), "the store itself is complete"
