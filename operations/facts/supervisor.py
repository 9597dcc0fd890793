"""What a host's supervisord runs, and what its configuration says it should."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand

_CONTROL = "supervisorctl"


class PendingPrograms(FactBase[list[str]]):
    """The programs that a running supervisord would add, change or remove; empty when none runs.

    Asks the daemon to read its files again, which touches no running program.
    """

    default = list

    def command(self) -> StringCommand:
        return StringCommand(f"if {_CONTROL} pid >/dev/null 2>&1; then {_CONTROL} reread; fi")

    def process(self, output: Iterable[str]) -> list[str]:
        return [line for line in output if line.endswith((": available", ": changed", ": disappeared"))]


class ProgramFiles(FactBase[list[str]]):
    """The names of the supervisor configuration files in `folder` that match `pattern`."""

    default = list

    def command(self, folder: str, pattern: str) -> StringCommand:
        return StringCommand(
            *("if test -d", QuoteString(folder), "; then find", QuoteString(folder)),
            *("-maxdepth 1 -type f -name", QuoteString(pattern), "-printf '%f\\n'", "; fi"),
        )

    def process(self, output: Iterable[str]) -> list[str]:
        return sorted(output)


class HostStarted(FactBase[bool]):
    """Whether every one of the programs is known to a running supervisord."""

    _names: tuple[str, ...] = ()

    def command(self, names: tuple[str, ...]) -> StringCommand:
        self._names = names
        # `status` exits 3 when a program is not running and 4 when there is no daemon; its lines answer either way.
        return StringCommand(f"if command -v {_CONTROL} >/dev/null; then {_CONTROL} status || test $? -le 4; fi")

    def process(self, output: Iterable[str]) -> bool:
        known = {line.split()[0] for line in output if line.strip()}
        return set(self._names) <= known
