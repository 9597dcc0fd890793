"""Which source a program on the host was taken from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyinfra.api import FactBase, StringCommand

from operations.as_user import as_user_if_there

PRIVATE = (Path(__file__).parent.parent / "remote" / "checkout_private.sh").read_text(encoding="utf-8")


class CheckoutCommit(FactBase[str]):
    """The commit a git checkout is at, empty when the folder is no complete checkout."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str, user: str) -> StringCommand:
        # `safe.directory`: parts of the checkout may be others'. One that git cannot read (128) is at no commit,
        # and the operation tells why.
        git = 'git -c safe.directory="*" -C "$1" rev-parse --verify -q HEAD 2>/dev/null || test $? -eq 1 -o $? -eq 128'
        return StringCommand(as_user_if_there(user, f'if test -d "$1/.git"; then {git}; fi', path))

    def process(self, output: Iterable[str]) -> str:
        return next(iter(output), "").strip()


class CheckoutIgnores(FactBase[bool]):
    """Whether git takes no notice of a name in a checkout by `.git/info/exclude`; a plain folder has nobody to tell."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, path: str, pattern: str, user: str) -> StringCommand:
        plain = 'if test -d "$1" && ! test -d "$1/.git"; then echo yes'
        named = 'elif test -f "$1/.git/info/exclude"; then grep -qxF -- "$2" "$1/.git/info/exclude" && echo yes'
        return StringCommand(as_user_if_there(user, f"{plain}; {named} || test $? -eq 1; fi", path, pattern))

    def process(self, output: Iterable[str]) -> bool:
        return "yes" in output


class PrivateFiles(FactBase[list[str]]):
    """What git knows of a checkout and others than its user cannot read: the umask of an older run made it so."""

    default = list

    def command(self, path: str, user: str) -> StringCommand:
        return StringCommand(as_user_if_there(user, f'test -d "$1" || exit 0\n{PRIVATE}', path))

    def process(self, output: Iterable[str]) -> list[str]:
        return list(output)
