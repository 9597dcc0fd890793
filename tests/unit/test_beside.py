"""What is started beside the rest outlives who started it, is found again, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.remote import LAUNCHER, sources

WITHIN = 20
"""Seconds; each takes a tenth of one."""


def begin(
    folder: Path, *commands: str, key: str = "one", replaces: bool = False, ours: bool = True
) -> subprocess.Popen[str]:
    """The program on its way, in a session of its own as a login's is: to start `commands`, or without one to wait."""
    waits = {"folder": str(folder), "ours": ours}
    starts = {"folder": str(folder), "commands": commands, "key": key, "replaces": replaces}
    text = json.dumps({"sources": sources("beside"), "request": starts if commands else waits})
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", LAUNCHER], stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    assert process.stdin
    process.stdin.write(text)
    process.stdin.close()
    process.stdin = None
    return process


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its status and what it said."""
    said, errors = process.communicate(timeout=WITHIN)
    return process.returncode, said, errors


def start(folder: Path, *commands: str, key: str = "one", replaces: bool = False) -> str:
    """Have `commands` started; what was said, which is no failure."""
    status, said, errors = ended(begin(folder, *commands, key=key, replaces=replaces))
    assert (status, errors) == (0, "")
    return said


def wait(folder: Path, *, ours: bool = True) -> tuple[int, str, str]:
    """What waiting ends with."""
    return ended(begin(folder, ours=ours))


def until(path: Path) -> None:
    """Wait until `path` is there."""
    deadline = time.monotonic() + WITHIN
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def until_over(folder: Path) -> None:
    """Wait until nothing holds the lock of `folder` any more."""
    until(folder / "status")
    opened, deadline = os.open(folder, os.O_RDONLY), time.monotonic() + WITHIN
    try:
        while True:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < deadline, folder
                time.sleep(0.01)
            else:
                return
    finally:
        os.close(opened)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where it is noted; nothing that was started is left at the end."""
    folder = tmp_path / "run" / "beside"
    folder.parent.mkdir()
    yield folder
    if (process := folder / "process").exists():
        with_group = int(process.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(with_group, signal.SIGKILL)


def held(tmp_path: Path) -> str:
    """A command that goes on until `release`."""
    return f"touch {tmp_path}/begun; until test -e {tmp_path}/go; do sleep 0.02; done"


def test_it_outlives_who_started_it_and_is_passed_on(folder: Path, tmp_path: Path) -> None:
    """One command after the other, each stream as it is; then nothing of it is left."""
    starter = begin(folder, f"echo one; echo odd >&2; {held(tmp_path)}", "echo two; printf 'no end'")
    assert ended(starter) == (0, "", ""), "the streams are not held open either"
    until(tmp_path / "begun")
    with pytest.raises(ProcessLookupError):
        os.killpg(starter.pid, signal.SIGHUP)  # nothing is left of the login's session
    assert folder.stat().st_mode & 0o777 == 0o700
    waiter = begin(folder)
    (tmp_path / "go").touch()
    assert ended(waiter) == (0, "one\ntwo\nno end", "odd\n")
    assert list(folder.parent.iterdir()) == []
    assert wait(folder) == (0, "", ""), "where nothing is, nothing is waited for"


def test_what_it_says_is_passed_on_while_it_runs(folder: Path, tmp_path: Path) -> None:
    start(folder, f"echo early; {held(tmp_path)}")
    waiter = begin(folder)
    assert waiter.stdout and waiter.stdout.readline() == "early\n"
    (tmp_path / "go").touch()
    assert ended(waiter)[0] == 0


def test_a_failure_is_that_of_who_waits(folder: Path, tmp_path: Path) -> None:
    """Its last line is the reason; nothing after it is run, and the next one begins anew."""
    start(folder, "echo before; echo 'E: no such package' >&2; exit 100", f"touch {tmp_path}/after")
    assert wait(folder) == (100, "before\n", "E: no such package\n")
    assert not (tmp_path / "after").exists()
    start(folder, "echo again")
    assert wait(folder) == (0, "again\n", "")


def test_how_an_earlier_run_ended_is_no_failure_of_this_one(folder: Path, tmp_path: Path) -> None:
    """What is still at work is waited for, and fails as it fails."""
    start(folder, "echo 'E: of yesterday' >&2; exit 100")
    until_over(folder)
    assert wait(folder, ours=False) == (0, "", "")
    assert list(folder.parent.iterdir()) == []
    start(folder, f"echo early; {held(tmp_path)}; echo 'E: of today' >&2; exit 100")
    until(tmp_path / "begun")
    waiter = begin(folder, ours=False)
    assert waiter.stdout and waiter.stdout.readline() == "early\n"
    (tmp_path / "go").touch()
    assert ended(waiter) == (100, "", "E: of today\n")


@pytest.mark.parametrize("how", ["exit 1", "echo stopped >&2; kill -TERM $$", "kill -9 $PPID"])
def test_what_was_cut_off_is_left_to_who_comes_after(folder: Path, how: str) -> None:
    """Without a word of why, by a signal, or with all that noted it: no failure, but what is missing is done then."""
    start(folder, how)
    status, said, _ = wait(folder)
    assert (status, said) == (0, "beside: it was cut off; what is left is done now\n")
    assert list(folder.parent.iterdir()) == []


def test_a_second_run_finds_it_at_work(folder: Path, tmp_path: Path) -> None:
    """It is not started twice; both who wait are told, and the later one does not wait for ever."""
    start(folder, f"echo x >>{tmp_path}/times; {held(tmp_path)}; echo done")
    until(tmp_path / "begun")
    goes_on = "beside: what an earlier run has started is still at it\n"
    assert start(folder, f"echo x >>{tmp_path}/times", replaces=True) == goes_on
    assert start(folder, "echo other", key="other") == goes_on, "apt is not ended in the middle"
    waiters = [begin(folder), begin(folder)]
    (tmp_path / "go").touch()
    assert sorted(ended(waiter)[0] for waiter in waiters) == [0, 0]
    assert (tmp_path / "times").read_text() == "x\n"


def test_what_was_started_otherwise_is_ended(folder: Path, tmp_path: Path) -> None:
    """It may be at something that cannot be had: the new one is not held up."""
    trap = f"trap 'touch {tmp_path}/ended; exit 143' TERM; {held(tmp_path)}"
    start(folder, trap, f"touch {tmp_path}/next")
    until(tmp_path / "begun")
    said = start(folder, "echo new", key="two", replaces=True)
    assert said == "beside: ended what an earlier run had started otherwise\n"
    assert (tmp_path / "ended").exists() and not (tmp_path / "next").exists()
    assert wait(folder) == (0, "new\n", "")


def test_who_waits_may_go(folder: Path, tmp_path: Path) -> None:
    """A controller that dies ends nothing, and the next one is told everything."""
    start(folder, f"echo one; {held(tmp_path)}; echo two")
    waiter = begin(folder)
    assert waiter.stdout and waiter.stdout.readline() == "one\n"
    waiter.kill()
    waiter.communicate(timeout=WITHIN)
    waiter = begin(folder)
    (tmp_path / "go").touch()
    assert ended(waiter) == (0, "one\ntwo\n", "")


def test_a_secret_is_in_no_file_and_no_argument(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_TOKEN is a variable of whoever runs it, and reaches what is started as that."""
    monkeypatch.setenv("HF_TOKEN", "hf_c4n4ry")
    start(folder, f"test ${{#HF_TOKEN}} = 9 && {held(tmp_path)}")
    until(tmp_path / "begun")
    processes = [int((folder / "process").read_text())]
    children = Path(f"/proc/{processes[0]}/task/{processes[0]}/children").read_text().split()
    read = [*folder.iterdir(), *(Path(f"/proc/{each}/cmdline") for each in (*processes, *children))]
    assert len(read) >= 4
    assert not [path for path in read if b"c4n4ry" in path.read_bytes()]
    (tmp_path / "go").touch()
    assert wait(folder)[0] == 0


def test_where_it_cannot_be_noted_it_is_done_later(folder: Path) -> None:
    """A folder that others can write, a link, a file system that takes nothing: said, and no failure."""
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    said = f"beside: {folder} is somebody else's; remove it; it is done later\n"
    assert start(folder, "echo no") == said and wait(folder) == (0, said, "")
    folder.rmdir()
    folder.symlink_to(folder.parent)
    assert "it is done later" in start(folder, "echo no") and list(folder.parent.iterdir()) == [folder]
    folder.unlink()
    folder.write_text("")
    assert "it is done later" in start(folder, "echo no")
