"""The fake account is one that tests can trust: it bills, finds what nobody knows, and has machines to log into."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.fake_vast import FakeClock, Fault, SshdMachine
from tests.unit.renting import rented
from vast.api import Api
from vast.calls import CREATE, Calls
from vast.errors import KeyRefused, NoAnswer


def test_a_box_is_billed_by_the_second() -> None:
    """GPU while it runs, storage from its creation to its end."""
    clock = FakeClock()
    with rented(clock, delay=100) as renter:
        number = renter.create()
        clock.sleep(100)
        renter.calls.instance(number)
        clock.sleep(3600)
        renter.calls.set_state(number, "stopped")
        clock.sleep(7200)
        renter.calls.end(number)
        contract = renter.account.books.contracts[number]
        seconds = contract.ended - contract.created if contract.ended else 0
        storage = 0.144 * 32 / 720
        assert seconds == pytest.approx(10900, abs=20)
        assert contract.dollars(clock()) == pytest.approx((contract.ran * 0.30 + seconds * storage) / 3600)
        assert contract.ran == pytest.approx(3600, abs=5)


def test_a_box_that_nobody_knows_of_is_found() -> None:
    with rented() as renter:
        number = renter.create()
        renter.account.nobody_unknown([number])
        with pytest.raises(AssertionError, match=f"nobody knows of: {{{number}: "):
            renter.account.nobody_unknown()
        renter.calls.end(number)
        renter.account.nobody_unknown()


def test_an_error_of_the_fake_is_no_broken_line() -> None:
    """It would look like one of the faults that a client has to bear."""
    with pytest.raises(KeyError, match="image"), rented() as renter, pytest.raises(NoAnswer):
        renter.calls.api.send(CREATE, 1, body={})


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key pair."""
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def login(key: Path, port: int, command: str) -> subprocess.CompletedProcess[str]:
    """Run `command` there."""
    options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    words = ["ssh", *options, "-o", "LogLevel=ERROR", "-i", str(key), "-p", str(port), "127.0.0.1", command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_a_machine_can_be_logged_into(tmp_path: Path, key: Path) -> None:
    """With a key that was attached, in a folder of its own; destroyed, it is gone."""
    machine = SshdMachine(tmp_path / "box")
    with rented(delay=0, machine=lambda: machine) as renter:
        number = renter.create()
        renter.calls.attach_key(number, key.with_suffix(".pub").read_text())
        deadline = time.monotonic() + 30
        while not (raw := renter.calls.instance(number) or {}).get("ports"):
            assert time.monotonic() < deadline, raw
            time.sleep(0.02)
        (machine.folder / "bin/visomaster-ready").write_text("#!/bin/sh\necho ready in $BOX\n")
        (machine.folder / "bin/visomaster-ready").chmod(0o755)
        done = login(key, int(raw["ports"]["22/tcp"][0]["HostPort"]), "visomaster-ready")
        assert done.stdout == f"ready in {machine.folder}\n", done.stderr
        renter.calls.end(number)
        assert login(key, machine.port, "true").returncode == 255


def test_a_machine_can_be_a_bad_one(tmp_path: Path, key: Path) -> None:
    """One that runs and answers nobody, one whose host tests are told to fail."""
    machines = [SshdMachine(tmp_path / name) for name in ("silent", "weak")]
    left = iter(machines)
    with rented(delay=0, machine=lambda: next(left), account_keys=[key.with_suffix(".pub").read_text()]) as renter:
        numbers = [renter.create(Fault.NO_SSH), renter.create(Fault.HOST_TEST_FAILS)]
        deadline = time.monotonic() + 30
        while [renter.status(number) for number in numbers] != ["running", "running"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert [login(key, machine.port, "test -e $BOX/gpu-fails").returncode for machine in machines] == [255, 0]


def test_a_box_s_own_key_is_for_that_box_alone() -> None:
    """What the platform puts into a box ends it, and no other."""
    with rented() as renter:
        mine, other = renter.create(), renter.calls.create(2, renter.ask())
        key = renter.account.books.contracts[mine].api_key
        calls = Calls(
            Api(renter.account.url, key, say=renter.said.append, sleep=renter.clock.sleep, clock=renter.clock)
        )
        for forbidden in (lambda: calls.destroy(other), calls.instances, lambda: calls.search({})):
            with pytest.raises(KeyRefused):
                forbidden()
        calls.set_state(mine, "stopped")
        calls.destroy(mine)
        renter.account.nobody_unknown([other])


def test_a_machine_may_have_a_folder_at_another_place(tmp_path: Path, key: Path) -> None:
    """For this box alone: the machine that runs the tests keeps its own. Without root, where it is."""
    place = "/mnt" if os.geteuid() == 0 else str(tmp_path / "box/mnt")
    machine = SshdMachine(tmp_path / "box", {place: "mnt"})
    machine.attach(key.with_suffix(".pub").read_text())
    machine.start(1, {}, "")
    try:
        deadline = time.monotonic() + 30
        while machine.ports() is None:
            assert time.monotonic() < deadline, (machine.folder / "sshd.log").read_text()
            time.sleep(0.02)
        assert login(key, machine.port, f"echo here > {place}/of-the-box").returncode == 0
        assert (machine.folder / "mnt/of-the-box").read_text() == "here\n"
        assert not Path("/mnt/of-the-box").exists()
    finally:
        machine.destroy()
