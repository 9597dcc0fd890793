"""The host's users."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api import FactBase, StringCommand

_LOOK = (Path(__file__).parents[1] / "remote" / "account.sh").read_text(encoding="utf-8")
NO_NUMBER = 0
"""Root's: whoever asks with it asks for the user alone."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user as the host knows it; `group` is the main one, `home_owner` is empty where the home is no folder."""

    uid: int
    gid: int
    group: str
    home: str
    shell: str
    home_owner: str


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """The user that was asked for, None where there is none, and whether a process of theirs runs; and the names of the
    user and of the group that have the number, empty where nobody has."""

    account: Account | None = None
    busy: bool = False
    uid_of: str = ""
    gid_of: str = ""


class FoundAccount(FactBase[Accounts]):
    """`user` on this host, and who has `number`."""

    @staticmethod
    def default() -> Accounts:
        return Accounts()

    def command(self, user: str, number: int = NO_NUMBER) -> StringCommand:
        return StringCommand(shlex.join(["sh", "-c", _LOOK, "account", user, str(number)]))

    def process(self, output: Iterable[str]) -> Accounts:
        told = dict(line.split(" ", 1) for line in output if " " in line)
        return Accounts(
            account=_account(told) if "entry" in told else None,
            busy="busy" in told,
            uid_of=told.get("uid", ""),
            gid_of=told.get("gid", ""),
        )


def _account(told: dict[str, str]) -> Account:
    _, _, uid, gid, _, home, shell = told["entry"].split(":")
    group, owner = told.get("group", ""), told.get("home", "")
    return Account(uid=int(uid), gid=int(gid), group=group, home=home, shell=shell, home_owner=owner)


class OtherUser(FactBase[str]):
    """Who commands are run as where that is not root; empty where it is."""

    default = str

    def command(self) -> str:
        return 'test "$(id -u)" = 0 || id -un'
