"""How a process that root has started becomes another user's."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Sequence

from visomaster_host.problems import Problem
from visomaster_host.refusals import refusal


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
