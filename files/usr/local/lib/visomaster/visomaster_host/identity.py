"""Who a process is, and a piece of work in a process that is somebody else."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from visomaster_host.kernel import end_with_parent
from visomaster_host.problems import Problem, reporting
from visomaster_host.refusals import refusal

_GONE_WITHIN = 1.0  # seconds for one that was killed; a file system that hangs may hold it longer
_POLL = 0.01


def give_up_root(user: str, groups: Sequence[str] = ()) -> None:
    """Become `user` for good, with its groups and those named in `groups`. Raises `Problem` when one is not there, or
    we may not.
    """
    try:
        entry = pwd.getpwnam(user)
        more = [grp.getgrnam(group).gr_gid for group in groups]
    except KeyError as error:
        raise Problem(f"there is no such user or group: {error.args[0]}") from None
    try:
        os.initgroups(user, entry.pw_gid)
        os.setgroups([*os.getgroups(), *more])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except OSError as error:
        raise Problem(f"cannot become the user {user}: {refusal(error)}") from None


def done_as(user: str, program: str, work: Callable[[], None], within: float) -> bool:
    """Do `work` in a process that is `user` (we are, or are root), which says as `program` why it could not; whether it
    has ended `within` seconds. One that has not is killed, and so it is when this process ends. Raises OSError.
    """
    ended, open_in_child = os.pipe()
    try:
        child = os.fork()
        if child == 0:
            _work(user, program, work)
        os.close(open_in_child)
        in_time = bool(select.select([ended], [], [], within)[0])
    finally:
        os.close(ended)
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _reap(child)
    return in_time


def _work(user: str, program: str, work: Callable[[], None]) -> NoReturn:
    """What the child does. Whatever happens, it does not go on as its parent."""
    status = 1
    try:
        status = reporting(program, lambda: _as_user(user, work))
        sys.stdout.flush()
    finally:
        os._exit(status)


def _as_user(user: str, work: Callable[[], None]) -> int:
    if os.geteuid() == 0:
        give_up_root(user)
    end_with_parent(signal.SIGKILL)
    work()
    return 0


def _reap(child: int) -> None:
    deadline = time.monotonic() + _GONE_WITHIN
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(_POLL)
