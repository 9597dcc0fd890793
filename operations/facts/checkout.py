"""Which source a program on the host was taken from."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand


class CheckoutCommit(FactBase[str]):
    """The commit a git checkout is at, empty when the folder is no complete checkout."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str) -> StringCommand:
        # `safe.directory`: the checkout belongs to the unprivileged user, git would refuse it to root.
        git = StringCommand("git -c safe.directory=*", "-C", QuoteString(path))
        return StringCommand(
            *("if test -d", QuoteString(f"{path}/.git"), "; then"),
            *(git, "rev-parse --verify -q HEAD", "|| test $? -eq 1", "; fi"),
        )

    def process(self, output: Iterable[str]) -> str:
        return next(iter(output), "").strip()
