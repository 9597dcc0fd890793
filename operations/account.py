"""Users of the host."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from dataclasses import replace

from pyinfra import host
from pyinfra.api import StringCommand, operation

from operations.as_user import folder_command
from operations.facts.account import Account, FoundAccount


@operation()
def present(user: str, home: str, shell: str) -> Generator[StringCommand]:
    """Have the user `user`, who may not log in with a password, with a group of the same name as the main one.

    pyinfra's own `server.user` asks the host for every user and group there is, six questions in all.
    """
    wanted = Account(group=user, home=home, shell=shell, home_owner=user)
    found = host.get_fact(FoundAccount, user=user)
    if found == wanted:
        host.noop(f"user {user} is there")
        return
    if found is None or found.group != user:
        yield StringCommand(f"getent group {shlex.quote(user)} >/dev/null || groupadd {shlex.quote(user)}")
    options = ["--gid", user, "--home-dir" if found is None else "--home", home, "--shell", shell]
    if found is None:
        yield StringCommand(shlex.join(["useradd", "--create-home", *options, user]))
    elif replace(found, home_owner=user) != wanted:
        yield StringCommand(shlex.join(["usermod", *options, user]))
    if found is not None and found.home_owner != user:
        yield StringCommand(folder_command(home, user, "755"))


@operation()
def system(user: str) -> Generator[StringCommand]:
    """Have the system user `user`, with a group of the same name, without a home and a shell: for a service."""
    if host.get_fact(FoundAccount, user=user) is not None:
        host.noop(f"user {user} is there")
        return
    words = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    yield StringCommand(shlex.join([*words, "--shell", "/usr/sbin/nologin", user]))
