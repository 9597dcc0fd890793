"""What the portal tells of the machine that it is on, and that nothing which hangs there holds a page up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from visomaster_host import causes, nvidia, paths
from visomaster_host.portal import machine
from visomaster_host.portal.machine import FRESH, LATE, Machine

CARD = "NVIDIA GeForce RTX 4090, 3072, 24564"


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs the shell script that is given as the driver's own program; a device of a GPU is there."""
    monkeypatch.setattr(paths, "SYSTEM_PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(causes, "gpus", lambda: ["nvidia0"])

    def install(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return install


def settled(one: Machine) -> dict[str, Any]:
    """What is told when the looks that were begun are over."""
    deadline = time.monotonic() + 30
    while (told := one.told())["gpus"] is None and not told["gpu_silent"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return told


def test_a_card_with_its_memory(driver: Callable[[str], None]) -> None:
    driver(f"echo '{CARD}'")
    card = {"name": "NVIDIA GeForce RTX 4090", "used": 3072 << 20, "total": 24564 << 20}
    assert machine.gpus() == [card]
    told = settled(Machine())
    assert (told["gpus"], told["gpu_silent"]) == ([card], False)


@pytest.mark.parametrize(
    ("line", "card"),
    [
        ("GRID A100, 40C, [N/A], 40960", {"name": "GRID A100, 40C", "used": None, "total": 40960 << 20}),
        ("NVIDIA GB10, [Not Supported], [Not Supported]", {"name": "NVIDIA GB10", "used": None, "total": None}),
        ("odd", {"name": "odd", "used": None, "total": None}),
        ("\x1b[31mA\x07, 1, 2", {"name": "?[31mA?", "used": 1 << 20, "total": 2 << 20}),
    ],
)
def test_what_a_driver_may_say(driver: Callable[[str], None], line: str, card: dict[str, Any]) -> None:
    driver(f"printf '%s\\n' '{line}'")
    found = machine.gpus()
    assert found is not None
    assert found[0] | {"name": card["name"]} == card
    assert found[0]["name"].isprintable()


def test_without_a_gpu_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(causes, "gpus", lambda: [])
    assert machine.gpus() == []


def test_a_driver_that_fails_is_told_of(driver: Callable[[str], None]) -> None:
    """Where no device is there either, there is no GPU."""
    driver("echo failed; exit 9")
    told = settled(Machine())
    assert (told["gpus"], told["gpu_silent"]) == (None, True)


def test_a_driver_that_hangs_is_given_up(driver: Callable[[str], None]) -> None:
    driver("exec sleep 30")
    begin = time.monotonic()
    with pytest.raises(nvidia.Silent, match="does not answer"):
        nvidia.ask("name", within=0.2)
    assert time.monotonic() - begin < 20


def test_what_hangs_for_ever_holds_nobody_up_and_is_asked_once() -> None:
    """A driver that the kernel holds fast cannot be ended, and a disk of another machine may be gone."""
    now, go, asked = [0.0], threading.Event(), list[int]()

    def hangs() -> None:
        asked.append(1)
        go.wait(30)

    one = Machine(hangs, hangs, clock=lambda: now[0])
    try:
        begin = time.monotonic()
        for _ in range(50):
            assert (one.told()["gpus"], one.told()["gpu_silent"]) == (None, False)
        now[0] = LATE + 1
        told = one.told()
        assert (told["disk"], told["gpus"], told["gpu_silent"]) == (None, None, True)
        assert time.monotonic() - begin < 10
        assert len(asked) == 2, "one look at the disk, one at the cards"
    finally:
        go.set()


def test_it_is_looked_again_when_somebody_asks_later() -> None:
    now, free = [0.0], [10]
    one = Machine(lambda: {"free": free[0], "total": 100}, list, clock=lambda: now[0])
    settled(one)
    free[0] = 5
    assert one.told()["disk"] == {"free": 10, "total": 100}
    now[0] = FRESH
    deadline = time.monotonic() + 30
    while one.told()["disk"] != {"free": 5, "total": 100}:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_how_long_the_first_process_has_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a container since its start: the machine below it may run for a year."""
    (tmp_path / "1").mkdir()
    monkeypatch.setattr(paths, "PROCESSES", tmp_path)
    monkeypatch.setattr(machine, "since_boot", lambda: 1000.0)
    ticks = 400 * machine._TICKS
    (tmp_path / "1/stat").write_text(f"1 (a ) b) S 0 {'0 ' * 17}{ticks} 0 0\n")
    assert machine.up() == 600
    (tmp_path / "1/stat").write_text("1 (a")
    assert machine.up() is None


def test_the_room_where_results_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "WORKSPACE", tmp_path)
    found = machine.room()
    assert found is not None and 0 < found["free"] <= found["total"]
    monkeypatch.setattr(paths, "WORKSPACE", tmp_path / "none")
    assert machine.room() is None
