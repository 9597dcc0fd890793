"""`make rent` that is killed or interrupted, as a process; machines are an sshd of this machine each."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from spec.here import ROOT
from tests.drills.live import new_key
from tests.e2e.machine import BIN, run
from tests.fake_vast import KEY, FakeVast, Fault, SshdMachine, offer

WITHIN = 120
MOMENTS = range(1, 11)
"""Requests that Vast has had when the run is killed: before, at and after the creation, while it waits and prepares."""


class Rent:
    """An account with two machines, and a person's folder."""

    def __init__(self, account: FakeVast, folder: Path) -> None:
        self.account, self.folder, self.key = account, folder, new_key(folder)
        self.environment = {**os.environ, "HOME": str(folder), "VAST_API_KEY": KEY, "VAST_URL": account.url}

    def words(self, command: str, *more: str) -> list[str]:
        return [str(BIN / "python"), "-m", "vast", "--state", str(self.folder / "rent"), command, *more]

    def begin(self) -> subprocess.Popen[str]:
        """A run that is left alone."""
        terms = ("--variant", "alt", "--max-price", "0.5", "--hours", "2", "--image", "name/visomaster:portal-latest")
        words = self.words("rent", *terms, "--ssh-key", str(self.key), "--workspace", str(self.folder / "w"), "--yes")
        return subprocess.Popen(
            words, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def does(self, command: str, *more: str) -> subprocess.CompletedProcess[str]:
        return run(self.words(command, *more), timeout=WITHIN, cwd=ROOT, env=self.environment)

    def until(self, holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        """Wait until `holds`, or the run has ended."""
        deadline = time.monotonic() + WITHIN
        while not holds() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@contextmanager
def renting(folder: Path, ready: str = "sleep 5") -> Iterator[Rent]:
    """Machines on which `visomaster-ready` does what `ready` says."""
    numbers = count()

    def machine() -> SshdMachine:
        made = SshdMachine(folder / f"machine-{next(numbers)}")
        command = made.folder / "bin/visomaster-ready"
        command.write_text(f"#!/bin/sh\n{ready}\n")
        command.chmod(0o755)
        return made

    account = FakeVast(delay=0.5, machine=machine)
    account.offers = [offer(100 + number, machine_id=number, dph_base=0.3) for number in (1, 2)]
    with account.serving():
        try:
            yield Rent(account, folder)
        finally:
            for contract in account.books.contracts.values():
                contract.machine.destroy()


def killed(folder: Path, moment: int) -> str:
    """What `boxes` says after a run that was killed at its `moment`th request; what lived is ended."""
    folder.mkdir()
    with renting(folder) as rent:
        process = rent.begin()
        rent.until(lambda: len(rent.account.books.seen) >= moment, process)
        process.kill()
        process.communicate()
        alive = rent.account.books.alive()
        said = rent.does("boxes").stderr
        for number in alive:
            assert f"vast-{number} is of a run that was killed and costs $0.3" in said, said
            ended = rent.does("end", "--box", str(number))
            assert ended.returncode == 0, ended.stderr
        assert rent.account.books.alive() == []
        return f"{moment}: {alive}"


def test_killed_at_ten_moments(tmp_path: Path) -> None:
    """Whatever lives then is named by `make boxes` and ended by `make end`."""
    with ThreadPoolExecutor(len(MOMENTS)) as pool:
        found = list(pool.map(lambda moment: killed(tmp_path / str(moment), moment), MOMENTS))
    print(found)
    assert any(line.endswith("[]") for line in found) and not all(line.endswith("[]") for line in found)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """While SSH is used; the programs that it started end with it."""
    with renting(tmp_path) as rent:
        process = rent.begin()
        rent.until(lambda: bool(list(tmp_path.glob("rent/*/ready.log"))), process)
        process.send_signal(number)
        _, said = process.communicate(timeout=WITHIN)
        assert process.returncode == 128 + number, said
        assert rent.account.books.alive() == []
        assert "is gone, it cost about $0.0" in said
        assert "Traceback" not in said
        assert list(tmp_path.glob("rent/*")) == []


def test_a_host_test_that_fails_ends_the_box(tmp_path: Path) -> None:
    """Nothing was set up there: each machine is tried once, none is kept, and the status says so."""
    with renting(tmp_path, ready="exit 0") as rent:
        process = rent.begin()
        _, said = process.communicate(timeout=WITHIN)
        assert process.returncode == 1, said
        assert said.count("a host test fails") == 2, said
        assert "0 of 1 rented: no offer is left that fits" in said
        assert rent.account.books.alive() == []
        assert len(rent.account.books.contracts) == 2


def test_outbid_while_it_is_prepared(tmp_path: Path) -> None:
    """Found out at Vast, not by waiting for the desktop; the next machine is taken."""
    with renting(tmp_path, ready="echo vnc; exit 1") as rent:
        rent.account.order(Fault.OUTBID)
        process = rent.begin()
        rent.until(lambda: len(rent.account.books.contracts) == 2, process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=WITHIN)
        assert "it does not run any more: stopped: it is ended" in said
        assert rent.account.books.alive() == []
        assert len(rent.account.books.contracts) == 2


def test_no_search_left_today(tmp_path: Path) -> None:
    """One line, and nothing was rented."""
    with renting(tmp_path) as rent:
        rent.account.order(Fault.QUOTA, times=None)
        done = rent.does("offers", "--variant", "alt", "--max-price", "0.5")
        process = rent.begin()
        _, said = process.communicate(timeout=WITHIN)
        assert (done.returncode, process.returncode) == (1, 1)
        for text in (done.stderr, said):
            assert len(text.splitlines()) == 1 and "quota" in text, text
        assert rent.account.books.contracts == {}


def test_two_at_once(tmp_path: Path) -> None:
    """As two processes of one person: neither takes or ends the other's box, and nothing is left."""
    with renting(tmp_path, ready="exit 0") as rent:
        both = [rent.begin(), rent.begin()]
        said = [process.communicate(timeout=WITHIN)[1] for process in both]
        assert [process.returncode for process in both] == [1, 1], said
        assert sum(text.count("a host test fails") for text in said) == len(rent.account.books.contracts), said
        assert rent.account.books.alive() == []
        assert list(tmp_path.glob("rent/*")) == []
