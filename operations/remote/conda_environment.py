"""Solve, lock and install a Conda environment with rattler; nothing but the environment stays on the host.

The steps are the other modules called `conda_…`. Their top levels need the standard library alone (Python 3.10): the
controller imports some of them, and the target has no rattler until ``run`` has put it into a work directory beside the
prefix, which is removed at the end. The work directory's name is fixed and its parent is root's, so what a killed run
left is found and removed; beside the prefix it is on the prefix's filesystem, so packages are hard-linked, not copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from operations.remote.conda_errors import InstallationError, one_line
from operations.remote.conda_files import remove_directory, write_atomically
from operations.remote.conda_install import install
from operations.remote.conda_progress import say
from operations.remote.conda_rattler import SPARE_NONE, provide_rattler
from operations.remote.conda_request import Request
from operations.remote.conda_solve import records_of, solve

WORK = ".visomaster-environment"


def run(request: Mapping[str, Any]) -> int:
    """Do what the request says. 0, or 1 after one line on stderr."""
    os.umask(0o022)  # sudo may bring 077, and the unprivileged user runs what is installed here
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        wanted = Request.of(request)
        with work_directory(wanted) as work:
            provide_rattler(wanted, work)
            SPARE_NONE.extend([None] * 1_000_000)
            asyncio.run(bring_about(wanted, work))
    except InstallationError as error:
        return _failed(str(error))
    except BrokenPipeError:
        raise  # the controller is gone: nobody is left to tell
    except OSError as error:
        return _failed(one_line(error))
    return 0


def leave(status: int) -> NoReturn:
    """End the process without the interpreter's own end, in which rattler's threads can still call Python and abort it
    ("Fatal Python error … <no Python frame>", seen in one of fifteen runs that met a full disk)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _failed(reason: str) -> int:
    sys.stdout.flush()
    reason = re.sub(r"(?<=://)[^/@\s]+@", "", reason)  # a mirror's password
    print(f"environment: {reason}", file=sys.stderr, flush=True)
    return 1


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def work_directory(request: Request) -> Iterator[Path]:
    """An empty directory beside the prefix, for one run at a time, gone afterwards."""
    if request.prefix is None:
        with tempfile.TemporaryDirectory(prefix="visomaster-lock.") as temporary:
            yield Path(temporary)
        return
    request.parent.mkdir(parents=True, exist_ok=True)
    work = request.parent / WORK
    holder = os.open(request.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InstallationError(f"another installation into {request.prefix} is running") from None
        remove_directory(work)
        work.mkdir(mode=0o700)
        try:
            yield work
        finally:
            remove_directory(work)
    finally:
        os.close(holder)


async def bring_about(request: Request, work: Path) -> None:
    """Solve unless a lock is given; install it; then keep the lock, the proof that all of it is installed.

    The lock is written last: one that cannot be installed must not replace a good one, nor stop the next run
    from solving again.
    """
    text = request.lock
    if text is None:
        say(f"solving {len(request.specs)} specs for {request.platform}")
        text = await solve(request, work)
    if request.prefix is not None:
        await install(request, request.prefix, records_of(text, request.platform, work), work)
    write_atomically(request.lock_path, text)


if __name__ == "__main__":
    leave(run(json.load(sys.stdin)))
