"""What a host's supervisord runs, and what its configuration says it should."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand
from visomaster_host import paths

_CONTROL = "supervisorctl"
_SOCKET = paths.SUPERVISOR_SOCKET
_READY = "ready"

SETTLED_WITHIN = 10


class PendingPrograms(FactBase[dict[str, str]]):
    """The programs that a running supervisord would change, each with how (`available`, `changed` or `disappeared`);
    empty when none runs.

    Asks the daemon to read its files again, which touches no running program.
    """

    default = dict

    def command(self) -> StringCommand:
        # The socket is looked for first: without a daemon the client needs half a second to find none.
        return StringCommand(f"if test -S {_SOCKET} && {_CONTROL} pid >/dev/null 2>&1; then {_CONTROL} reread; fi")

    def process(self, output: Iterable[str]) -> dict[str, str]:
        changes = (line.rpartition(": ") for line in output)
        return {name: change for name, _, change in changes if change in ("available", "changed", "disappeared")}


class RunningConfiguration(FactBase[dict[str, str]]):
    """The digest of each of our programs' files `PREFIX*.conf` in `folder`, by the program's name, where a supervisord
    runs; empty where none does."""

    default = dict
    _prefix = ""

    def command(self, folder: str, prefix: str) -> StringCommand:
        self._prefix = prefix
        return StringCommand(
            *(f"if test -S {_SOCKET} && test -d", QuoteString(folder), "; then find", QuoteString(folder)),
            *("-maxdepth 1 -type f -name", QuoteString(f"{prefix}*.conf"), "-exec sha256sum {} + ; fi"),
        )

    def process(self, output: Iterable[str]) -> dict[str, str]:
        found = (line.split(maxsplit=1) for line in output)
        return {path.rpartition("/")[2].removeprefix(self._prefix)[: -len(".conf")]: digest for digest, path in found}


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


class HostReady(FactBase[bool]):
    """Whether every one of the programs is known to a running supervisord and a person could use the desktop.

    One that is still starting is given `SETTLED_WITHIN` seconds: a second run soon after the first has nothing to do.
    """

    waits = True
    """`connectors.ahead` asks it when its turn comes, not while others are waiting for their answers."""
    _names: tuple[str, ...] = ()

    def command(self, names: tuple[str, ...]) -> StringCommand:
        self._names = names
        # `status` exits 3 when a program is not running and 4 when there is no daemon; its lines answer either way.
        status = f"{_CONTROL} status || test $? -le 4"
        ready = f"if visomaster-ready --wait {SETTLED_WITHIN} >/dev/null 2>&1; then echo {_READY}; fi"
        return StringCommand(f"if test -S {_SOCKET}; then {status}; {ready}; fi")

    def process(self, output: Iterable[str]) -> bool:
        known = {line.split()[0] for line in output if line.strip()}
        return {*self._names, _READY} <= known
