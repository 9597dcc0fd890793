"""Commands that run on the target beside what else is done there. Standard library only.

They are started in a session of their own, so they outlive the connection that started them. Their folder is root's
alone: it is locked as long as they run, by the process that runs them and by nothing that they start, and has what they
print and, when they have ended, their status. Where the lock is free and there is no status they were cut off: by a
signal, by memory that ran out, by the machine's end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

TICK = 0.1  # seconds between two looks at commands that run
STOPPED_WITHIN = 30.0  # seconds; the fetcher leaves its parts in order within one
_BY_SIGNAL = 128  # and more: what ended it
_OUT, _ERR, _KEY, _PROCESS, _STATUS = "out", "err", "key", "process", "status"


class Refused(Exception):
    """Why nothing can be started, in one line."""


def run(request: Mapping[str, Any]) -> int:
    """Start commands, or wait for them and return their status. What keeps it from that is said, and is no failure: it
    is an early start, and what was not done is done later.

    Keys to start: folder (where it is noted), commands (of the shell, one after the other as long as they succeed), key
    (what identifies them), replaces (whether others that were started there are ended; else they go on, and are waited
    for). Keys to wait: folder, ours (whether this run has begun them, or found them at work).
    """
    folder = Path(request["folder"])
    try:
        if "commands" in request:
            start(folder, request["commands"], request["key"], replaces=request["replaces"])
            return 0
        return follow(folder, (sys.stdout.buffer, sys.stderr.buffer), ours=request["ours"])
    except BrokenPipeError:
        os._exit(1)  # the controller is gone: nobody is left to tell
    except Refused as error:
        reason = str(error)
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror}"
    print(f"beside: {reason}; it is done later", flush=True)
    return 0


def start(folder: Path, commands: Sequence[str], key: str, *, replaces: bool) -> None:
    """Have `commands` run in the background, unless those of `folder` still do and are the same or may not be ended.

    Raises `Refused` and ``OSError``.
    """
    lock = _locked(folder)
    if lock is None and replaces and _read(folder / _KEY) != key:
        lock = _taken_over(folder)
    if lock is None:
        print("beside: what an earlier run has started is still at it", flush=True)
        return
    try:
        for name in os.listdir(folder):
            os.unlink(folder / name)
        (folder / _KEY).write_text(key, encoding="utf-8")
        streams = [os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for name in (_OUT, _ERR)]
        sys.stdout.flush()
        if (process := os.fork()) == 0:
            _be_in_the_background(folder, commands, streams)
        (folder / _PROCESS).write_text(f"{process}\n", encoding="ascii")
    finally:
        os.close(lock)  # the other one has it open as well


def _locked(folder: Path) -> int | None:
    """The lock of `folder`, which is made where it is missing, as an open file; None where it is held."""
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        lock = _opened(folder)
        if lock is None:
            continue  # it was removed meanwhile by who had waited
        if not _free(lock):
            os.close(lock)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.lstat(folder)):
                return lock
        os.close(lock)


def _opened(folder: Path) -> int | None:
    """`folder` as an open file; None where it is not there. Raises `Refused` where it is another's."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    found = os.fstat(opened)
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        os.close(opened)
        raise Refused(f"{folder} is somebody else's; remove it")
    return opened


def _free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken_over(folder: Path) -> int | None:
    """The lock of `folder` after what runs there was ended; None where it does not end."""
    process = _read(folder / _PROCESS).strip()
    if not process:
        return None
    for number, seconds in ((signal.SIGTERM, STOPPED_WITHIN), (signal.SIGKILL, STOPPED_WITHIN)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(process), number)  # it holds the lock, so this is still its number
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (lock := _locked(folder)) is not None:
                print("beside: ended what an earlier run had started otherwise", flush=True)
                return lock
            time.sleep(TICK)
    return None


def _be_in_the_background(folder: Path, commands: Sequence[str], streams: Sequence[int]) -> None:
    """Run `commands` as the process that holds the lock, and end with a note of their status."""
    status = 1
    try:
        os.setsid()
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # those of its group get it too, end, and are noted
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in enumerate((nothing, *streams)):
            os.dup2(source, target)
        status = _status_of(commands)
        note = folder / f"{_STATUS}.new"
        note.write_text(f"{status}\n", encoding="ascii")
        note.rename(folder / _STATUS)
    except BaseException as error:
        os.write(2, f"beside: {error}\n".encode())
    finally:
        os._exit(status)


def _status_of(commands: Sequence[str]) -> int:
    """What the first one that fails ended with; 0."""
    for command in commands:
        done = subprocess.run(["/bin/sh", "-c", command], cwd="/", preexec_fn=_heed_signals, check=False)
        if done.returncode:
            return done.returncode if done.returncode > 0 else _BY_SIGNAL - done.returncode
    return 0


def _heed_signals() -> None:
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def follow(folder: Path, streams: Sequence[BinaryIO], *, ours: bool) -> int:
    """Pass on what the commands of `folder` have printed and still print, to stdout's and stderr's of `streams`; their
    status when they have ended, and the folder is gone.

    0 as well where there are none, where they were ended by a signal, or without a word of why: whoever asked finds out
    what is left to do. How those ended that are not `ours` is old news, unless they are still at it.
    """
    lock = _opened(folder)
    if lock is None:
        return 0
    try:
        if not ours and _free(lock):
            shutil.rmtree(folder, ignore_errors=True)
            return 0
        with contextlib.ExitStack() as stack:
            passed = list(_passing(folder, streams, stack))
            ended = False
            while not ended:
                ended = _free(lock)
                said = [pass_on() for pass_on in passed]
                if not (ended or any(said)):
                    time.sleep(TICK)
        status = _read(folder / _STATUS).strip()
        told = bool(_read(folder / _ERR).strip())
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
    if status == "0":
        return 0
    if told and status and int(status) < _BY_SIGNAL:
        return int(status)
    print("beside: it was cut off; what is left is done now", flush=True)
    return 0


def _passing(folder: Path, streams: Sequence[BinaryIO], stack: contextlib.ExitStack) -> Iterator[Callable[[], bool]]:
    """For stdout, then stderr: what passes on what is new, and says whether something was."""
    for name, stream in zip((_OUT, _ERR), streams, strict=True):
        with contextlib.suppress(FileNotFoundError):
            source = stack.enter_context((folder / name).open("rb"))
            yield lambda source=source, stream=stream: _pass_on(source, stream)  # type: ignore[misc]


def _pass_on(source: BinaryIO, stream: BinaryIO) -> bool:
    new = source.read()
    stream.write(new)
    stream.flush()
    return bool(new)


def _read(path: Path) -> str:
    """What the small file says; empty where it is not there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(run(json.load(sys.stdin)))
