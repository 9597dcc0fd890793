"""Users of the host."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from pyinfra import host, logger
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import DeployError

from operations.as_user import folder_command
from operations.facts.account import Account, FoundAccount

_RENUMBER = (Path(__file__).parent / "remote" / "renumber.sh").read_text(encoding="utf-8")


def refuse_strangers(user: str, number: int) -> None:
    """Raise `DeployError`, one line, where somebody else than `user` has their `number` on this host."""
    found = host.get_fact(FoundAccount, user=user, number=number)
    for kind, name in (("uid", found.uid_of), ("gid", found.gid_of)):
        if name not in ("", user):
            raise DeployError(
                f"{kind} {number} belongs to {name} on {host.name}, and is that of {user} on every host, for volumes to"
                f" be theirs on each: give {name} another one, or take another base"
            )


@operation()
def present(user: str, number: int, home: str, shell: str, folders: tuple[str, ...]) -> Generator[StringCommand]:
    """Have the user `user`, who may not log in with a password, with a group of the same name as the main one, both
    with the number `number`. Where they had another, what is theirs in `folders` follows; it stays while they run
    something.

    pyinfra's own `server.user` asks the host for every user and group there is, six questions in all.
    """
    there = host.get_fact(FoundAccount, user=user, number=number)
    found, busy = there.account, there.busy
    wanted = Account(uid=number, gid=number, group=user, home=home, shell=shell, home_owner=user)
    if found is not None and busy and found.group == user:
        # As a box that an earlier playbook has set up: nothing on it depends on the number.
        if (found.uid, found.gid) != (number, number):
            logger.warning(f"[{host.name}] {user} keeps uid {found.uid}, not {number}: programs of theirs run here")
        wanted = replace(wanted, uid=found.uid, gid=found.gid)
    if found == wanted:
        host.noop(f"user {user} is there")
        return
    yield from _made(found, wanted, user)
    if found is not None and not busy and (found.uid, found.gid) != (number, number):
        words = ["sh", "-euc", _RENUMBER, "renumber", user, str(number), *folders]
        yield StringCommand(shlex.join(words))


def _made(found: Account | None, wanted: Account, user: str) -> Generator[StringCommand]:
    """The commands that make `user` what is wanted, but for the numbers of one who is there."""
    if found is None or found.group != user:
        group = shlex.join(["--gid", str(wanted.gid), user])
        there = f"getent group {shlex.quote(user)} >/dev/null"
        yield StringCommand(f"if {there}; then groupmod {group}; else groupadd {group}; fi")
    options = ["--gid", user, "--home-dir" if found is None else "--home", wanted.home, "--shell", wanted.shell]
    if found is None:
        yield StringCommand(shlex.join(["useradd", "--create-home", "--uid", str(wanted.uid), *options, user]))
    elif replace(found, uid=wanted.uid, gid=wanted.gid, home_owner=user) != wanted:
        yield StringCommand(shlex.join(["usermod", *options, user]))
    if found is not None and found.home_owner != user:
        yield StringCommand(folder_command(wanted.home, user, "755"))


@operation()
def system(user: str) -> Generator[StringCommand]:
    """Have the system user `user`, with a group of the same name, without a home and a shell: for a service."""
    if host.get_fact(FoundAccount, user=user).account is not None:
        host.noop(f"user {user} is there")
        return
    words = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    yield StringCommand(shlex.join([*words, "--shell", "/usr/sbin/nologin", user]))
