"""What is done before each start of the program with what it keeps, in a process that is the program's user.

It works where that user may write, by path: there is nothing that it could be led to do which the program could not do
itself. Whatever cannot be done is told in one line, and the program starts with what is where it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from visomaster_host import identity, paths, users
from visomaster_host.host import Host
from visomaster_host.kept import workspaces
from visomaster_host.kept.dialogs import lead_to_workspace
from visomaster_host.kept.engines import machine
from visomaster_host.kept.linking import Place, settle, take_along
from visomaster_host.kept.moving import Left
from visomaster_host.problems import going_on, say

PROGRAM = "visomaster-service"

WITHIN = 900.0
"""Seconds for all: some gigabytes of engines may be taken along to a slow volume, once."""
_LOCK_WITHIN = 60.0  # seconds; another container on the same volume may be at it
_POLL = 0.05


def begin(host: Host) -> None:
    """Have what the program keeps be where it outlives this container. Called as root, or as the program's user."""
    with going_on(PROGRAM, "the program keeps what it keeps where it is"):
        if not identity.done_as(users.DESKTOP, PROGRAM, lambda: prepare(host), WITHIN):
            say(f"{PROGRAM}: {paths.KEPT} did not answer within {WITHIN:.0f} s; going on: with what is where it is")


def prepare(host: Host) -> None:
    """All that there is to do, as the program's user."""
    state = workspaces.state_of(host)
    place = Place(program=str(paths.PROGRAM), state=str(state))
    with going_on(PROGRAM, f"the program keeps what it keeps in {paths.PROGRAM}"):
        if host.state:
            os.makedirs(state, exist_ok=True)
            with _alone(place.state):
                _settle_all(host, place)
                _put_workspace_aside(host, place)
    if not any(entry.path == workspaces.LAST for entry in host.state) or not os.path.islink(_last(place)):
        with going_on(PROGRAM, "the program may ask about its last workspace"):
            workspaces.put_aside(place.program)
    with going_on(PROGRAM, "the program's dialogs have at their side what they had"):
        lead_to_workspace(paths.HOME)


def _settle_all(host: Host, place: Place) -> None:
    where = machine() if any(entry.by for entry in host.state) else ""
    for entry in host.state:
        with going_on(PROGRAM, f"with {place.link_of(entry)} as it is"):
            try:
                for line in settle(entry, place, where):
                    say(f"{PROGRAM}: {line}")
            except Left as left:
                say(f"{PROGRAM}: {left}")


def _put_workspace_aside(host: Host, place: Place) -> None:
    if not any(entry.path == workspaces.LAST for entry in host.state):
        return
    with going_on(PROGRAM, "the program may ask about its last workspace"):
        home = f"{place.state}/{workspaces.PREVIOUS}"
        # Of an image in which nothing was kept yet.
        if os.path.isfile(f"{place.program}/{workspaces.PREVIOUS}") and not os.path.lexists(home):
            for line in take_along(workspaces.PREVIOUS, place, home, newer=False):
                say(f"{PROGRAM}: {line}")
        workspaces.put_aside(place.state)


def _last(place: Place) -> str:
    return f"{place.program}/{workspaces.LAST}"


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Only one at a time takes things along to `folder`. Raises OSError where another does not end."""
    descriptor = os.open(f"{folder}/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_WITHIN
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    told = "another start does not let go of it"
                    raise TimeoutError(errno.ETIMEDOUT, told, f"{folder}/.lock") from None
            except OSError:  # the file system of a network without locks
                break
            time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)
