"""What a fetch shows while it works: its state file, and bars."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess

import pytest
from visomaster_host.fetch.progress import Reporter

from tests.fetch.waiting import wait_until
from tests.fetch.world import LARGE, World


def test_the_state_file_moves_while_bytes_arrive(world: World) -> None:
    world.add("a.onnx", LARGE)
    world.site.rate = 1_500_000
    process = subprocess.Popen(world.command(), stdout=subprocess.DEVNULL)
    path, seen = world.root / "fetch.json", []

    def finished() -> bool:
        with contextlib.suppress(FileNotFoundError):
            seen.append(json.loads(path.read_text()))
        return process.poll() is not None

    wait_until(finished, 30)
    running = [state for state in seen if state["status"] == "running" and state["bytes_done"]]
    assert len({state["bytes_done"] for state in running}) >= 2
    assert running[-1]["bytes_total"] == LARGE
    assert running[-1]["rate"] > 0
    assert any(state["eta"] for state in running)
    assert any(state["files"][0]["status"] == "fetching" for state in running)
    assert path.stat().st_mode & 0o777 == 0o644
    last = json.loads(path.read_text())
    assert (last["status"], last["bytes_done"], last["eta"]) == ("done", LARGE, None)
    file = {"path": "model_assets/a.onnx", "group": "required", "status": "done", "error": None}
    assert last["files"] == [{**file, "bytes_done": LARGE, "size": LARGE}]


def test_one_that_waits_for_another_shows_what_that_one_brings(world: World) -> None:
    """Two containers that share a store: each of them makes progress."""
    world.add("a.onnx", LARGE)
    world.site.rate = 1_500_000
    first = subprocess.Popen(world.command(), stdout=subprocess.DEVNULL)
    wait_until(lambda: world.site.sent > 0)
    path, seen = world.root / "second.json", []
    second = subprocess.Popen([*world.command(), "--state", str(path)], stdout=subprocess.PIPE, text=True)

    def ended() -> bool:
        with contextlib.suppress(FileNotFoundError):
            seen.append(json.loads(path.read_text()))
        return first.poll() is not None

    wait_until(ended, 30)
    assert second.communicate(timeout=120)[0].count("another fetch is using") == 1
    running = [state for state in seen if 0 < state["bytes_done"] < LARGE]
    assert len({state["progressed"] for state in running}) >= 2
    assert {state["status"] for state in running} == {"running"}


def test_what_a_killed_fetch_has_left_counts_from_the_first_state_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The portal shows no fall back to zero, although sizes are asked for again."""
    world.add("a.onnx", LARGE)
    world.add("b.onnx", LARGE)
    world.site.rate = 2_000_000
    process = subprocess.Popen(world.command(), stdout=subprocess.DEVNULL)
    wait_until(lambda: world.site.sent > 6_000_000)
    process.kill()
    process.wait()
    left = sum(path.stat().st_blocks * 512 for path in world.store.glob("*.part"))
    assert left > 3_000_000
    world.site.rate = 0
    states: list[dict[str, object]] = []
    written = Reporter.write_state

    def record(reporter: Reporter, status: str) -> None:
        states.append(reporter.board.as_json(status))
        written(reporter, status)

    monkeypatch.setattr(Reporter, "write_state", record)
    world.check(world.fetch(), failed=set())
    assert states[0]["status"] == "running"
    assert states[0]["bytes_total"] is None, "the sizes were known already: this test shows nothing"
    assert states[0]["bytes_done"] == left


def test_bars_on_a_terminal(world: World) -> None:
    """Through a real pseudo terminal."""
    world.add("a.onnx", LARGE)
    world.site.rate = 3_000_000
    leader, follower = os.openpty()
    process = subprocess.Popen(world.command(), stdout=follower)
    os.close(follower)
    output = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(leader, 65536):
            output += piece
    os.close(leader)
    assert process.wait() == 0
    assert b"[####" in output
    assert b"\x1b[" in output
    assert b"100% 1 of 1 files" in output
