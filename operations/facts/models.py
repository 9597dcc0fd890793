"""Whether a host has its models."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand


class ModelsComplete(FactBase[bool]):
    """Whether the on-host fetcher finds every required file verified and, if wanted, linked into the program.

    `command` is the fetcher's own command line, to which the question is added.
    """

    @staticmethod
    def default() -> bool:
        return False

    def requires_command(self, *_: object, **__: object) -> str:
        return "visomaster-fetch"

    def command(self, fetch: tuple[str, ...]) -> StringCommand:
        words = (QuoteString(word) for word in (*fetch, "--check"))
        return StringCommand("if", *words, ">/dev/null 2>&1; then echo complete; fi")

    def process(self, output: Iterable[str]) -> bool:
        return "complete" in output
