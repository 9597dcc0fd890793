"""The installer of the Conda environment, run for real against a small channel in a folder."""

from __future__ import annotations

import glob
import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from operations import conda, remote
from operations.facts.conda import CondaEnvironment, EnvironmentState
from operations.remote import conda_environment
from operations.remote.conda_journal import PENDING
from operations.remote.conda_lock import inputs_digest
from operations.remote.conda_request import Request
from tests.e2e import tiny_channel

CANONICAL = "http://channel.invalid/tiny"
MANY = 300  # files in a big package: time enough to kill the installer among them
PROGRAM = Path(conda_environment.__file__)


@dataclass
class Host:
    """A prefix, the lock kept for it, and a channel reached through a mirror."""

    root: Path
    channel: Path

    @property
    def prefix(self) -> Path:
        return self.root / "envs/visomaster"

    @property
    def lock(self) -> Path:
        return self.root / "etc/environment.lock"

    def request(self, *specs: str, **changes: Any) -> dict[str, Any]:
        request = {
            "prefix": str(self.prefix),
            "lock_path": str(self.lock),
            "specs": list(specs),
            "channels": [CANONICAL],
            "mirrors": {CANONICAL: f"file://{self.channel}"},
            "lock": None,
            "platform": "linux-64",
            "requirements": None,
            "index": "default",
        }
        return request | changes

    def start(self, request: Mapping[str, Any]) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        assert process.stdin
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        process.stdin = None
        return process

    def install(self, *specs: str, **changes: Any) -> list[str]:
        """Run the installer; the lines it prints."""
        process = self.start(self.request(*specs, **changes))
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert err == ""
        return out.splitlines()

    def fails(self, *specs: str, **changes: Any) -> str:
        """Run the installer, which must fail; the one line on stderr."""
        process = self.start(self.request(*specs, **changes))
        err = process.communicate(timeout=60)[1]
        assert process.returncode == 1
        assert len(err.splitlines()) == 1, err
        assert not (self.prefix.parent / conda_environment.WORK).exists()
        return err.strip()

    def state(self) -> EnvironmentState:
        """What the fact says, by its own command."""
        command = CondaEnvironment().command(str(self.prefix), str(self.lock)).get_raw_value()
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        state = CondaEnvironment().process(done.stdout.splitlines())
        assert state is not None
        return state

    def is_current(self, *specs: str) -> bool:
        """Whether the operation would do nothing."""
        state = self.state()
        digest = inputs_digest(specs, [CANONICAL])
        wanted = conda.lock_that_holds(None, state, "linux-64", digest)
        return wanted is not None and conda.is_current(state, wanted, digest)

    def tree(self) -> dict[str, str]:
        """Every file of the prefix with the digest of its content."""
        files = [path for path in self.prefix.rglob("*") if path.is_file()]
        return {str(file.relative_to(self.prefix)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    add = partial(tiny_channel.add_package, folder)
    add("base", "1.0", {"share/base": "base\n"})
    add("tool", "1.0", {"bin/tool": "#!/bin/sh\necho 1\n", "share/old": "1"}, depends=["base"])
    add("tool", "2.0", {"bin/tool": "#!/bin/sh\necho 2\n", "share/new": "2"}, depends=["base"])
    add("data", "1.0", {"share/data": "data\n"}, noarch="generic")
    for version in ("1.0", "2.0"):
        for name in ("many", "more"):
            files = {f"share/{name}/{version}/{n}": f"{name} {version} {n}\n" for n in range(MANY)}
            add(name, version, files | {f"share/{name}/version": version})
    add("wants-old", "1.0", {"share/wants-old": ""}, depends=["tool <2"])
    for minor in ("3.10", "3.11"):
        python = {f"bin/python{minor}": "#!/bin/sh\n", f"lib/python{minor}/os.py": ""}
        add("python", f"{minor}.1", python | {"bin/python": "#!/bin/sh\n"})
    add("module", "1.0", {"site-packages/module.py": "x = 1\n"}, noarch="python", depends=["python"])
    tiny_channel.index(folder)
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of a web server for the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def host(tmp_path: Path, channel: Path) -> Host:
    return Host(root=tmp_path, channel=channel)


def test_it_installs_what_was_solved_and_leaves_nothing_else(host: Host) -> None:
    host.install("tool ==1.0", "data")
    done = subprocess.run([host.prefix / "bin/tool"], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert set(host.state().packages) == {
        "base-1.0-h0_0.tar.bz2",
        "tool-1.0-h0_0.tar.bz2",
        "data-1.0-h0_0.tar.bz2",
    }
    assert [path.name for path in host.prefix.parent.iterdir()] == ["visomaster"]
    assert host.is_current("data", "tool ==1.0")


def test_a_package_is_the_first_channels_that_has_its_name(host: Host, tmp_path: Path) -> None:
    """Channels are no equals: a newer version in another one is not taken, nor is that one asked to help out."""
    other = tmp_path / "other"
    tiny_channel.add_package(other, "base", "9.0", {"share/base": "theirs\n"})
    tiny_channel.add_package(other, "tool", "9.0", {"bin/tool": "theirs"})
    tiny_channel.index(other)
    both = {"channels": [CANONICAL, f"file://{other}"]}
    host.install("tool", **both)
    assert {"base-1.0-h0_0.tar.bz2", "tool-2.0-h0_0.tar.bz2"} == set(host.state().packages)
    refused = "environment: cannot solve: tool is not taken from file://.*/tool-9.0-.*: a channel before has the name"
    assert re.fullmatch(refused, host.fails("tool >=9", **both))


def test_everybody_can_read_what_root_installed(host: Host) -> None:
    """rattler makes conda-meta 0600; conda runs as the unprivileged user."""
    host.install("tool ==1.0")
    for path in host.prefix.rglob("*"):
        assert path.stat().st_mode & 0o004, path
        assert path.stat().st_uid == host.prefix.stat().st_uid, path
        assert path.is_dir() or path.stat().st_nlink == 1, f"{path} is still linked into a cache"


def test_a_second_run_links_nothing(host: Host) -> None:
    host.install("tool ==1.0")
    before = {path: path.stat().st_mtime_ns for path in host.prefix.rglob("*") if path.is_file()}
    lines = host.install("tool ==1.0")
    assert before == {path: path.stat().st_mtime_ns for path in host.prefix.rglob("*") if path.is_file()}
    assert lines[-1].startswith("environment: 2 packages")


def test_a_changed_lock_changes_just_the_difference(host: Host) -> None:
    host.install("tool ==1.0", "data")
    kept = (host.prefix / "share/base").stat().st_ino
    assert not host.is_current("tool ==2.0")
    lines = host.install("tool ==2.0")
    assert "environment: 2 of 2 packages, 0 MB" in lines  # one changed, one removed
    assert {path.name for path in (host.prefix / "share").iterdir()} == {"base", "new"}
    assert (host.prefix / "share/base").stat().st_ino == kept


def test_a_committed_lock_is_installed_as_it_is(host: Host, tmp_path: Path) -> None:
    """And it is the same lock whether solved for a host or with `make lock`."""
    lock = tmp_path / "committed.lock"
    host.install("tool ==1.0", prefix=None, lock_path=str(lock))
    assert not host.prefix.exists()
    host.install("tool ==1.0", lock=lock.read_text(), mirrors={CANONICAL: str(host.channel.as_uri())})
    assert host.lock.read_text() == lock.read_text()
    assert "base-1.0" in lock.read_text()


def test_a_mirror_leaves_no_trace(host: Host) -> None:
    """A lock made behind a mirror is the lock of the channel; a mirror's URL may hold a password."""
    with served(host.channel) as mirror:
        host.install("tool ==1.0", mirrors={CANONICAL: mirror})
    text = host.lock.read_text() + "".join(p.read_text() for p in host.prefix.glob("conda-meta/*.json"))
    assert "127.0.0.1" not in text
    assert f"{CANONICAL}/linux-64/tool-1.0-h0_0.tar.bz2" in text


def test_a_new_python_takes_its_modules_along(host: Host) -> None:
    """And what pip had put under the old one goes: CUDA libraries must not be there twice."""
    host.install("python 3.10.*", "module")
    assert (host.prefix / "lib/python3.10/site-packages/module.py").exists()
    (host.prefix / "lib/python3.10/site-packages/nvidia").mkdir()
    host.install("python 3.11.*", "module")
    assert (host.prefix / "lib/python3.11/site-packages/module.py").exists()
    assert not (host.prefix / "lib/python3.10").exists()


@pytest.mark.parametrize("cut", [0, 40])
def test_a_damaged_record_is_repaired(host: Host, cut: int) -> None:
    host.install("tool ==1.0")
    whole = host.tree()
    record = host.prefix / "conda-meta/tool-1.0-h0_0.json"
    record.write_text(record.read_text()[:cut])
    assert not host.is_current("tool ==1.0")
    host.install("tool ==1.0")
    assert host.tree() == whole


def test_files_without_a_record_are_replaced(host: Host) -> None:
    host.install("tool ==1.0")
    whole = host.tree()
    (host.prefix / "conda-meta/tool-1.0-h0_0.json").unlink()
    (host.prefix / "bin/tool").write_text("half")
    assert not host.is_current("tool ==1.0")
    host.install("tool ==1.0")
    assert host.tree() == whole


def _count(folder: Path, pattern: str) -> int:
    return len(glob.glob(str(folder / pattern)))  # noqa: PTH207 - Path.glob raises when a folder goes while it looks


MOMENTS = {
    "nothing linked yet": lambda prefix: (prefix / "conda-meta" / PENDING).exists(),
    "first file linked": lambda prefix: _count(prefix, "share/m*/2.0/*") > 0,
    "half of the files linked": lambda prefix: _count(prefix, "share/m*/2.0/*") > MANY,
    "first record written": lambda prefix: _count(prefix, "conda-meta/m*-2.0-*.json") > 0,
}


def _kill_when(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """kill -9 at a moment; a process that has ended before is fine."""
    deadline = time.monotonic() + 60
    while process.poll() is None and not happened():
        assert time.monotonic() < deadline, "the moment never came"
    process.kill()
    process.communicate(timeout=60)


def test_a_killed_installation_is_repaired(host: Host, tmp_path: Path) -> None:
    """Whatever the moment, also when the next run is to bring back what was there before."""
    old, new = ("many ==1.0", "more ==1.0"), ("many ==2.0", "more ==2.0")
    host.install(*old)
    whole = host.tree()
    cut_off = []
    for name, happened in MOMENTS.items():
        process = host.start(host.request(*new))
        _kill_when(process, partial(happened, host.prefix))
        if host.state().pending:
            cut_off.append(name)
            assert not host.is_current(*old)
        host.install(*old)
        assert host.tree() == whole, name
        assert host.is_current(*old)
    assert len(cut_off) >= 2, cut_off

    first = Host(root=tmp_path / "first", channel=host.channel)
    _kill_when(first.start(first.request(*new)), partial(MOMENTS["first file linked"], first.prefix))
    first.install(*old)
    assert first.tree() == whole


def test_an_interrupted_change_is_not_taken_for_the_old_state(host: Host) -> None:
    """Files of a package may be gone already while its old record is still there."""
    host.install("tool ==1.0")
    whole = host.tree()
    (host.prefix / "bin/tool").unlink()
    (host.prefix / "conda-meta" / PENDING).write_text('["tool", []]\n["to')
    assert not host.is_current("tool ==1.0")
    host.install("tool ==1.0")
    assert host.tree() == whole


def test_what_a_killed_run_left_beside_the_prefix_goes(host: Host) -> None:
    left = host.prefix.parent / conda_environment.WORK / "packages/half"
    left.mkdir(parents=True)
    host.install("tool ==1.0")
    assert not left.parent.parent.exists()


@pytest.mark.parametrize(
    ("mirror", "reason"),
    [
        ("http://127.0.0.1:9", f"channel {CANONICAL}/ (through its mirror): Connection refused"),
        ("file:///nowhere", f"channel {CANONICAL}/ (through its mirror): No such file"),
    ],
)
def test_an_unreachable_channel_is_named(host: Host, mirror: str, reason: str) -> None:
    host.install("tool ==1.0")
    lock = host.lock.read_text()
    assert reason in host.fails("tool ==2.0", mirrors={CANONICAL: mirror})
    assert host.lock.read_text() == lock
    assert host.is_current("tool ==1.0")


@pytest.mark.parametrize(
    ("specs", "reason"),
    [
        (["absent"], "No candidates were found for absent"),
        (["tool ==2.0", "wants-old"], "wants-old"),
        (["tool = = 1"], "cannot solve"),
    ],
)
def test_specs_that_cannot_be_met_are_named(host: Host, specs: list[str], reason: str) -> None:
    assert reason in host.fails(*specs)
    assert not host.prefix.exists()


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_a_package_that_is_not_the_locked_one_is_refused(host: Host, tmp_path: Path, scheme: str) -> None:
    """rattler itself checks only what comes over the network."""
    own = tmp_path / "channel"
    own.mkdir()
    with served(own) if scheme == "http" else nullcontext(own.as_uri()) as url:
        _replaced_package_is_refused(host, own, url)


def _replaced_package_is_refused(host: Host, own: Path, url: str) -> None:
    mirrors = {CANONICAL: url}
    tiny_channel.add_package(own, "tool", "1.0", {"bin/tool": "good"})
    tiny_channel.index(own)
    host.install("tool", mirrors=mirrors)
    lock, whole = host.lock.read_text(), host.tree()
    tiny_channel.add_package(own, "tool", "2.0", {"bin/tool": "good"})
    tiny_channel.index(own)
    tiny_channel.add_package(own, "tool", "2.0", {"bin/tool": "evil"})
    failure = host.fails("tool", mirrors=mirrors)
    assert "tool-2.0-h0_0.tar.bz2: its sha256 is not the one in the lock" in failure
    assert host.lock.read_text() == lock
    tiny_channel.index(own)
    host.install("tool ==1.0", mirrors=mirrors)
    assert host.tree()["bin/tool"] == whole["bin/tool"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    subprocess.run(mount, capture_output=True, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_survived(host: Host, small_disk: Path) -> None:
    full = Host(root=small_disk, channel=host.channel)
    full.install("tool ==1.0")
    lock = full.lock.read_text()
    specs = ["tool ==1.0", "many ==1.0", "more ==1.0"]  # hundreds of files of one page each
    assert "no space left on device" in full.fails(*specs)
    assert full.lock.read_text() == lock
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    full.install(*specs)
    host.install(*specs)
    assert full.tree() == host.tree()


def test_two_installations_at_once_are_refused(host: Host) -> None:
    host.prefix.parent.mkdir(parents=True)
    request = Request.of(host.request("tool"))
    with conda_environment.work_directory(request):
        process = host.start(host.request("tool"))
        assert "is running" in process.communicate(timeout=30)[1]


def test_the_job_brings_its_own_rattler_and_takes_it_away(host: Host) -> None:
    """As pyinfra runs it: source and request through stdin of the system's python3."""
    request = host.request("tool ==1.0", requirements=conda.rattler_requirements())
    job: Any = remote.job("conda_environment", request)
    done = subprocess.run(
        job.command.get_raw_value(), input=job.stdin, shell=True, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert host.is_current("tool ==1.0")
    assert [path.name for path in host.prefix.parent.iterdir()] == ["visomaster"]
