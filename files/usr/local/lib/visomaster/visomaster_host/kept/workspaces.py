"""What was open when the program ended last: it is offered when a person asks, not at each start.

The program asks about its `last_workspace.json` in a window that stands before its own, and nobody may be there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Sequence
from pathlib import Path

from visomaster_host import paths
from visomaster_host.host import Host, read_host
from visomaster_host.problems import Problem

LAST, PREVIOUS = "last_workspace.json", "last_workspace.previous.json"
_OFFER = ".offer-previous"
_OURS = (b"main.py", b"visomaster_app")
"""What is in the command of the process that becomes the program, before and after."""


def put_aside(folder: str) -> None:
    """Have the workspace in `folder` be the previous one; where a person asked for the previous one it is the last one
    for this start. Raises OSError.
    """
    last, previous = f"{folder}/{LAST}", f"{folder}/{PREVIOUS}"
    if os.path.lexists(f"{folder}/{_OFFER}"):
        os.unlink(f"{folder}/{_OFFER}")  # first: what ends the program does not do so at each start
        if not os.path.lexists(last) and os.path.lexists(previous):
            os.rename(previous, last)
    elif os.path.lexists(last):
        os.rename(last, previous)


def state_of(host: Host) -> Path:
    """The folder for what the program of `host` keeps."""
    return paths.KEPT / host.application


def previous_workspace() -> tuple[Path, int] | None:
    """Where what was open last time is, and when it was written, in ms since 1970; None without any. Raises `Problem`
    where the host cannot be read.
    """
    return _previous(_folders(read_host()))


def open_previous() -> None:
    """Have the program started anew and offer what was open last time. To be called as the program's user. Raises
    `Problem` where there is none, and OSError.
    """
    found = _previous(_folders(read_host()))
    if found is None:
        raise Problem(f"there is no {PREVIOUS}: the program writes one when it is closed with something open")
    with open(found[0].parent / _OFFER, "ab"):
        pass
    end_program()


def _folders(host: Host) -> tuple[Path, ...]:
    """Where the workspace may be: among what is kept, and in the program's folder where it is not."""
    return (state_of(host), paths.PROGRAM)


def _previous(folders: Sequence[Path]) -> tuple[Path, int] | None:
    for folder in folders:
        with contextlib.suppress(OSError):
            found = os.lstat(folder / PREVIOUS)
            if stat.S_ISREG(found.st_mode):
                return folder / PREVIOUS, found.st_mtime_ns // 1_000_000
    return None


def end_program() -> None:
    """End the program, as the desktop's menu does; supervisord starts it anew. One that does not run needs no end."""
    with contextlib.suppress(OSError, ValueError):
        number = int(paths.APPLICATION_PID.read_text(encoding="ascii"))
        command = Path(f"/proc/{number}/cmdline").read_bytes()
        if number > 1 and any(word in command for word in _OURS):
            os.kill(number, signal.SIGTERM)
