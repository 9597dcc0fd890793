"""The host's users."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyinfra.api import FactBase, QuoteString, StringCommand


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user as the host knows it; `group` is the main one, `home_owner` is empty where the home is no folder."""

    group: str
    home: str
    shell: str
    home_owner: str


class FoundAccount(FactBase[Account | None]):
    """`user` on this host; None where there is none."""

    def command(self, user: str) -> StringCommand:
        name = QuoteString(user)
        home = StringCommand("home=$(getent passwd", name, '| cut -d: -f6); if test -d "$home"; then')
        return StringCommand(
            *("if getent passwd", name, "; then id -gn", name, ";", home, 'stat -L -c %U -- "$home"; fi; fi'),
        )

    def process(self, output: Iterable[str]) -> Account | None:
        entry, group, *owner = output
        home, shell = entry.split(":")[5:]
        return Account(group=group, home=home, shell=shell, home_owner="".join(owner))


class OtherUser(FactBase[str]):
    """Who commands are run as where that is not root; empty where it is."""

    default = str

    def command(self) -> str:
        return 'test "$(id -u)" = 0 || id -un'
