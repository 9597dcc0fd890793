"""From an empty account to a desktop in a browser and back to an empty one, as typed; machines are containers.

First from scratch, by this playbook on a bare box; what that made is then rented as an image.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import base, desktop
from sandbox.engine import docker_command
from spec.here import ROOT
from tests.drills.live import new_key
from tests.e2e.machine import BIN, docker, run
from tests.fake_vast import KEY, ContainerMachine, FakeVast, offer
from tests.portal.browser import chromium

IMAGE = "visomaster-sandbox/rented-desktop:portal-latest"
RENT_WITHIN = 400
PYTHON = BIN / "python"


class Person:
    """Somebody with an account, a key and a folder."""

    def __init__(self, account: FakeVast, folder: Path) -> None:
        self.account, self.folder, self.key = account, folder, new_key(folder)
        self.workspace = folder / "workspace"
        (self.workspace / "in").mkdir(parents=True)
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "VAST_API_KEY": KEY,
            "VAST_URL": account.url,
            "NO_PROXY": "127.0.0.1",
        }

    def words(self, command: str, *more: str) -> list[str]:
        """What is typed."""
        return [str(PYTHON), "-m", "vast", "--state", str(self.folder / "rent"), command, *more]

    def does(self, command: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Type it, wait for the end, and print how long it took."""
        begun = time.monotonic()
        done = run(self.words(command, *more), timeout=RENT_WITHIN, cwd=ROOT, env=self.environment)
        print(f"\n{command} {time.monotonic() - begun:.1f} s\n{done.stderr}")
        return done

    def rents(self, *more: str) -> int:
        """The number of the box that `rent` hands over."""
        where = ("--ssh-key", str(self.key), "--workspace", str(self.workspace))
        terms = ("--variant", "alt", "--max-price", "0.5", "--hours", "2", "--application", "sandbox", "--without-gpu")
        done = self.does("rent", *terms, *where, "--yes", *more)
        assert done.returncode == 0, done.stderr
        found = re.search(r"vast-(\d+) has computed and is yours", done.stderr)
        assert found, done.stderr
        assert self.account.books.alive() == [int(found[1])]
        return int(found[1])

    @contextmanager
    def opening(self, number: int) -> Iterator[str]:
        """The address that `open` shows at a terminal."""
        ours, theirs = pty.openpty()
        words = self.words("open", "--box", str(number))
        process = subprocess.Popen(
            words, cwd=ROOT, env=self.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        try:
            yield read_address(ours)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            os.close(ours)


def read_address(terminal: int) -> str:
    """The first address that is shown, waited for with a bound."""
    shown, deadline = "", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096).decode()
        if found := re.search(r"(http://127\.0\.0\.1:\d+/\?token=\S+);", shown):
            return found[1]
    raise AssertionError(shown)


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """With an account of two machines."""
    folder = tmp_path_factory.mktemp("rent")
    account = FakeVast(delay=2.0, machine=lambda: ContainerMachine(folder, lambda image: image))
    account.offers = [offer(100 + number, machine_id=number, dph_base=0.3) for number in (1, 2)]
    with account.serving():
        yield Person(account, folder)
        for contract in account.books.contracts.values():
            contract.machine.destroy()
    run([docker_command(), "rmi", "--force", IMAGE])


def container_of(person: Person, number: int) -> str:
    """The container that box `number` is."""
    machine = person.account.books.contracts[number].machine
    assert isinstance(machine, ContainerMachine)
    return machine.name


def key_on(name: str) -> str:
    """Where the account's key is on a box: its files, its processes' arguments and variables."""
    script = (
        "p=$(cat); { printf '%s\\n' \"$p\" | grep -rlaF -f - / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev;"
        " for one in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do printf '%s\\n' \"$p\" | grep -laF -f - $one; done; }"
    )
    return run([docker_command(), "exec", "-i", name, "sh", "-c", f"{script} 2>/dev/null"], input=KEY).stdout


def used(person: Person, number: int, text: str) -> None:
    """A desktop in a browser through the tunnel, something made there, home with it, nothing left."""
    name = container_of(person, number)
    assert docker("exec", name, "cat", "/workspace/in/brought.txt") == "brought"
    told = json.loads(docker("exec", name, "visomaster-lease", "--json"))
    assert told["kept"] and told["on_end"] == "stop" and told["idle"] == 60, told
    assert key_on(name) == ""
    begun = time.monotonic()
    with person.opening(number) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("text=Desktop", timeout=30_000)
        assert "token" not in page.url
    print(f"\nopened and closed {time.monotonic() - begun:.1f} s")
    docker("exec", "-u", "visomaster", name, "sh", "-c", f"echo {text} >/workspace/out/made.txt")
    assert f"vast-{number}" in person.does("boxes").stderr
    ended = person.does("end", "--box", str(number), "--workspace", str(person.workspace))
    assert ended.returncode == 0, ended.stderr
    assert (person.workspace / "out/made.txt").read_text() == f"{text}\n"
    assert person.account.books.alive() == []
    assert docker("ps", "--all", "--quiet", "--filter", f"id={name}") == ""


def test_from_nothing_to_a_desktop_and_back(person: Person, asset_server: str) -> None:
    """From scratch, then as an image; the books are at zero after each."""
    (person.workspace / "in/brought.txt").write_text("brought")
    bare = ("--base", base.rented_image("bookworm"), "--data", f"mirrors={desktop.mirrors(asset_server)}")
    number = person.rents(*bare)
    docker("commit", container_of(person, number), IMAGE)
    used(person, number, "from-scratch")
    used(person, person.rents("--image", IMAGE), "from-an-image")
