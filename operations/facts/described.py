"""What a host says of itself."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand
from visomaster_host import paths
from visomaster_host.host import Host, parse_host
from visomaster_host.problems import Problem


class DescribedHost(FactBase[Host | None]):
    """What an earlier deploy has written down; nothing where there was none, or one of another time that this playbook
    does not understand."""

    @staticmethod
    def default() -> None:
        return None

    def command(self) -> StringCommand:
        path = QuoteString(str(paths.HOST))
        return StringCommand("if test -f", path, "&& test -r", path, "; then head -c 65536 --", path, "; fi")

    def process(self, output: Iterable[str]) -> Host | None:
        try:
            return parse_host("\n".join(output))
        except Problem:
            return None
