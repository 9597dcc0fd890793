"""The service `lease` as a process of its own, against a Vast on loopback; and the message on the desktop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from visomaster_host import paths, users
from visomaster_host.files import Owner
from visomaster_host.lease import message, times
from visomaster_host.lease.asked import OnEnd
from visomaster_host.lease.keeper import Ending
from visomaster_host.lease.message import Message

from tests.unit.lease_world import KEY, FakeVast, fake_vast
from tests.unit.test_host_facts import FACTS, host

DRIVER = """
import os, sys
from pathlib import Path
from visomaster_host import files, paths, store, container
from visomaster_host.lease import instance, serve, message
top = Path(sys.argv[1])
for name, value in list(vars(paths).items()):
    if isinstance(value, Path) and str(value).startswith(("/run/", "/var/lib/visomaster", "/etc/visomaster")):
        setattr(paths, name, top / str(value).lstrip("/"))
me = files.Owner(uid=os.getuid(), gid=os.getgid())
for module in (serve, message):
    module.owner_of = lambda name: me
if len(sys.argv) > 2:
    instance.keep((sys.argv[2], sys.stdin.readline().strip()))
else:
    sys.exit(serve.main())
"""


class Box:
    """A machine whose files are below `folder`."""

    def __init__(self, folder: Path, vast: FakeVast) -> None:
        self.folder, self.vast = folder, vast
        (self.place(paths.ETC)).mkdir(parents=True)
        self.place(paths.RUN).mkdir(parents=True)
        self.place(paths.HOST).write_text(json.dumps(FACTS))
        self.driver = folder / "driver.py"
        self.driver.write_text(DRIVER)
        command = [sys.executable, str(self.driver), str(folder), "7"]
        subprocess.run(command, input=KEY, text=True, env=self.variables, check=True)

    variables = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/usr/bin:/bin"}  # noqa: RUF012

    def place(self, path: Path) -> Path:
        return self.folder / str(path).lstrip("/")

    def start_says(self, until: float, on_end: str) -> None:
        """What visomaster-start has kept."""
        exact = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
        said = {"lease_until": exact, "on_end": on_end, "idle": "0", "lease_api": self.vast.address}
        self.place(paths.SETTINGS).write_text(json.dumps(said))

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, str(self.driver), str(self.folder)]
            process = subprocess.Popen(command, env=self.variables, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def ended(self) -> list[tuple[str, str]]:
        """What has ended the machine, with which key."""
        return [(method, key) for method, _, key, _ in self.vast.asked if method != "GET"]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    assert os.geteuid() == 0, "needs root"
    with fake_vast() as vast:
        yield Box(tmp_path, vast)


def wait_until(condition: Callable[[], object], what: Callable[[], str], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def test_a_lease_of_some_seconds_ends_the_machine_once(box: Box) -> None:
    """Though the service is killed in between; its key is in no argument, no variable, no log and nothing that others
    may read."""
    began = time.time()
    box.start_says(began + 5, "destroy")
    with box.serving() as first:
        wait_until(lambda: "kept for instance 7" in box.log, lambda: box.log)
        wait_until(lambda: box.place(paths.LEASE_TOLD).exists(), lambda: box.log)
        for name in ("cmdline", "environ"):
            assert KEY.encode() not in Path(f"/proc/{first.pid}/{name}").read_bytes()
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert box.ended == []
    with box.serving() as second:
        wait_until(lambda: box.ended, lambda: box.log)
        assert time.time() >= began + 4
        wait_until(lambda: json.loads(box.place(paths.LEASE_TOLD).read_text())["asked"], lambda: box.log)
        assert second.poll() is None
    assert box.ended == [("DELETE", f"Bearer {KEY}")]
    readable = [file for file in box.folder.rglob("*") if file.is_file() and file.stat().st_mode & 0o044]
    assert box.place(paths.LEASE_TOLD) in readable
    assert [file for file in readable if KEY.encode() in file.read_bytes()] == []
    assert "Vast has agreed to destroy this box" in box.log


def test_one_that_has_no_key_says_so(tmp_path: Path) -> None:
    with fake_vast() as vast:
        box = Box(tmp_path, vast)
    (box.place(paths.SECRETS) / "instance").unlink()
    with box.serving() as process:
        assert process.wait(20) == 1
    assert box.log == "lease: no key of this box's own: there is nothing to keep a lease with\n"


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for xmessage, which writes down what it is told and ends with the status in the file beside it."""
    program, said = tmp_path / "xmessage", tmp_path / "said"
    program.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> {said}.new && mv {said}.new {said}\n"
        f"while [ ! -e {tmp_path}/status ]; do sleep 0.02; done\nexit $(cat {tmp_path}/status)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(paths, "XMESSAGE", program)
    monkeypatch.setattr(message, "owner_of", lambda name: {users.DESKTOP: Owner(uid=0, gid=0)}[name])
    return tmp_path


def end(box: Message, found: Ending, left: float, count: float) -> bool:
    """Wait until the message has ended; whether its button was pressed."""
    assert box._process is not None
    box._process.wait(5)
    return box.show(found, left, count)


def test_ten_minutes_before_the_end_a_message_stands_on_the_desktop(shown: Path) -> None:
    found = Ending(at=times.parse("2026-11-27T05:00Z"), how=OnEnd.DESTROY, idle=False)
    told = Message(host())
    assert not told.show(found, 601, 0) and told._process is None
    assert not told.show(found, 600, 1)
    wait_until((shown / "said").exists, lambda: "nothing was shown", 5)
    text = (shown / "said").read_text()
    assert "It is destroyed, with all that is on it: 2026-11-27 05:00 UTC." in text
    assert "Keep it running for another hour:10,Close:0" in text
    first = told._process
    assert not told.show(found, 400, 2) and told._process is first, "it stands, and is not shown twice"
    (shown / "status").write_text("10")
    assert end(told, found, 399, 3)
    assert not told.show(Ending(at=found.at + 3600, how=found.how, idle=False), 3999, 4)
    told.hide()


def test_one_that_is_closed_comes_once_more(shown: Path) -> None:
    found = Ending(at=1000.0, how=OnEnd.STOP, idle=True)
    told = Message(host())
    (shown / "status").write_text("0")
    told.show(found, 600, 1)
    assert not end(told, found, 500, 2)
    assert not told.show(found, 300, 100) and told._process is None
    told.show(found, 119, 200)
    assert told._process is not None
    told.hide()


def test_another_end_takes_it_away(shown: Path) -> None:
    found = Ending(at=1000.0, how=OnEnd.STOP, idle=False)
    told = Message(host())
    told.show(found, 60, 1)
    process = told._process
    assert process is not None
    told.show(None, 0, 2)
    assert process.poll() is not None and told._process is None


def test_where_there_is_no_screen_it_is_tried_again_in_a_while(shown: Path) -> None:
    found = Ending(at=1000.0, how=OnEnd.STOP, idle=False)
    told = Message(host())
    (shown / "status").write_text("1")
    told.show(found, 500, 1)
    assert not end(told, found, 499, 2)
    told.show(found, 490, 20)
    assert told._process is None
    told.show(found, 460, 40)
    assert told._process is not None
    told.hide()
