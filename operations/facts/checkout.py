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


class CheckoutIgnores(FactBase[bool]):
    """Whether git takes no notice of a name in a checkout by `.git/info/exclude`; a plain folder has nobody to tell."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, path: str, pattern: str) -> StringCommand:
        exclude = QuoteString(f"{path}/.git/info/exclude")
        return StringCommand(
            *("if test -d", QuoteString(path), "&& ! test -d", QuoteString(f"{path}/.git"), "; then echo yes;"),
            *("elif test -f", exclude, "; then"),
            *("grep -qxF --", QuoteString(pattern), exclude, "&& echo yes || test $? -eq 1; fi"),
        )

    def process(self, output: Iterable[str]) -> bool:
        return "yes" in output
