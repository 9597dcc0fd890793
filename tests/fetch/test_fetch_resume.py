"""A fetch that was ended, and what the next one does with its remains."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from typing import Any

import pytest
from visomaster_host.fetch import cli, engine
from visomaster_host.fetch.manifest import ModelFile
from visomaster_host.fetch.part import UNIT, Part

from tests.fetch.faults import Fault
from tests.fetch.waiting import wait_until
from tests.fetch.world import LARGE, SMALL, World

CONNECTIONS = 16


def test_ten_kills_lose_at_most_a_buffer_for_each_connection(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """kill -9 at ten random moments, then a run to the end: what is fetched twice is counted at the server."""
    sizes = [12_000_000, LARGE, LARGE, 3_000_000, 2_000_000, SMALL]
    for number, size in enumerate(sizes):
        world.add(f"{number}.onnx", size, say_size=True)
    world.site.rate = rate = 600_000
    dice, runs = random.Random(4), 10
    lost = []
    for _ in range(runs):
        sent, kept = world.site.sent, world.received()
        process = subprocess.Popen(world.command("--jobs", str(CONNECTIONS)), stdout=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.3, 1.2))
        process.kill()
        process.wait()
        time.sleep(0.2)  # what the server still sends goes nowhere
        lost.append(world.site.sent - sent - (world.received() - kept))
    world.site.rate = 0
    world.check(world.fetch(), failed=set())
    twice = world.site.sent - sum(sizes)
    with capsys.disabled():
        print(f"\n{runs} kills: {twice} of {sum(sizes)} bytes sent twice, at most {max(lost)} at one kill")
    # At this speed a buffer is what a tenth of a second brings, and as much may be on its way.
    buffer = int(0.1 * rate)
    assert max(lost) <= CONNECTIONS * 2 * buffer
    assert twice <= sum(lost) + 10 * SMALL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_the_next_call_resumes(world: World, number: signal.Signals) -> None:
    world.add("a.onnx", LARGE)
    world.site.rate = 500_000  # it would go on for a quarter of a minute
    process = subprocess.Popen(world.command(), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: world.site.sent > 1_000_000)
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert time.monotonic() - began < 10
    assert errors == "visomaster-fetch: stopped; the next call resumes\n"
    assert world.state["status"] == "failed"
    before, world.site.rate = world.site.sent, 0.0
    world.check(world.fetch(), failed=set())
    assert world.site.sent - before < LARGE - 500_000


def test_a_damaged_unfinished_file_is_not_believed(world: World) -> None:
    data = world.add("a.onnx", LARGE)
    world.site.script["/a.onnx"] = [Fault(), *[Fault(cut=3_000_000)] * 30]
    assert world.fetch() in (0, 1)
    if (world.store / "a.onnx").exists():
        (world.store / "a.onnx").unlink()
    for damage in ("truncated part", "foreign map", "bytes changed"):
        world.site.script["/a.onnx"] = [Fault(), *[Fault(cut=1_000_000), Fault(status=404)]]
        world.fetch()
        part = world.store / "a.onnx.part"
        assert part.exists()
        if damage == "truncated part":
            os.truncate(part, 1000)
        elif damage == "foreign map":
            (world.store / "a.onnx.part.map").write_bytes(os.urandom(500))
        else:
            with part.open("r+b") as stream:
                stream.write(b"damage")
        world.site.script.clear()
        world.check(world.fetch(), failed=set())
        assert (world.store / "a.onnx").read_bytes() == data
        (world.store / "a.onnx").unlink()


def test_what_lies_behind_a_gap_is_proven_as_it_is_in_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part with a gap and damage behind it, and a server that now sends nothing but whole files: what the answer
    writes over must be what is hashed."""
    monkeypatch.setattr(engine, "BUFFER", 16 * 1024)  # reads then end where units do
    data = world.add("a.onnx", LARGE, say_size=True)
    world.arguments()
    world.store.mkdir()
    part = Part(world.store / "a.onnx", hashlib.sha256(data).hexdigest(), LARGE)
    part.write(UNIT, data[UNIT : 2 * UNIT])
    part.write(2 * UNIT, data[2 * UNIT :])
    part.close()
    world.site.always["/a.onnx"] = Fault(no_range=True, other=data[:-7] + b"damaged")
    world.check(world.fetch(), failed={"a.onnx"})


def test_a_long_proof_is_no_standstill(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last file's hash or sync may take long on a slow disk."""
    prove = Part.prove

    def slowly(part: Part) -> None:
        time.sleep(4)  # longer than the end waits for its threads
        prove(part)

    monkeypatch.setattr(engine, "QUIET", 2)
    monkeypatch.setattr(Part, "prove", slowly)
    world.add("a.onnx")
    world.check(world.fetch(), failed=set())


def test_hashing_shows_and_keeps_what_it_has_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill, or with --verify, gigabytes are hashed before anything is fetched."""
    world.add("a.onnx")
    world.add("b.onnx")
    world.check(world.fetch(), failed=set())
    seen: list[str] = []
    good = cli.is_good

    def slowly(file: ModelFile, *places: Any, **how: Any) -> bool:
        if file.path.endswith("b.onnx"):
            wait_until(lambda: world.state["status"] == "running" and kept() == ["model_assets/a.onnx"])
            seen.append(file.path)
        return good(file, *places, **how)

    def kept() -> list[str]:
        return list(json.loads((world.store / ".verified.json").read_text())["files"])

    (world.store / ".verified.json").write_text('{"schema":1,"files":{}}')
    monkeypatch.setattr(cli, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(cli, "is_good", slowly)
    monkeypatch.setattr(cli.os, "cpu_count", lambda: 1)
    assert world.fetch() == 0
    assert seen
