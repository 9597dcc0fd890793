"""What the distribution's package manager has installed."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand

KEY = "/etc/apt/keyrings/{}.asc"
"""Where the key of a repository is, by its name."""


class MissingPackages(FactBase[list[str]]):
    """Those of the wanted packages that are not fully installed, in the order given."""

    _wanted: tuple[str, ...] = ()

    def command(self, names: tuple[str, ...]) -> StringCommand:
        self._wanted = names
        query = StringCommand("dpkg-query", "-W", "-f", QuoteString("${db:Status-Status} ${Package}\n"))
        # dpkg-query exits 1 as soon as one package is unknown to it; what it prints still answers the question.
        # The empty line: pyinfra does not process a fact whose command prints nothing.
        return StringCommand("echo;", query, *(QuoteString(name) for name in names), "2>/dev/null || test $? -eq 1")

    def process(self, output: Iterable[str]) -> list[str]:
        installed = {line.split()[1] for line in output if line.startswith("installed ")}
        return [name for name in self._wanted if name not in installed]


class AptSources(FactBase[str]):
    """The description of `repository` that apt reads, empty when there is none or its key is missing."""

    def command(self, repository: str) -> StringCommand:
        sources, key = f"/etc/apt/sources.list.d/{repository}.sources", KEY.format(repository)
        # The empty line: pyinfra does not process a fact whose command prints nothing.
        return StringCommand(f"echo; if test -s {key} && test -e {sources}; then cat {sources}; fi")

    def process(self, output: Iterable[str]) -> str:
        return "".join(f"{line}\n" for line in list(output)[1:])
