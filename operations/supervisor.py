"""supervisord's programs: which there are, that a running daemon knows them, and that the host is started."""

from __future__ import annotations

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation

from operations.facts.supervisor import HostStarted, PendingPrograms, ProgramFiles
from operations.stream import streamed


@operation()
def only_programs(folder: str, prefix: str, names: tuple[str, ...]) -> Generator[StringCommand]:
    """Remove the files `PREFIX*.conf` in `folder` that belong to no program in `names`: another variant's."""
    wanted = {f"{prefix}{name}.conf" for name in names}
    surplus = [
        name for name in host.get_fact(ProgramFiles, folder=folder, pattern=f"{prefix}*.conf") if name not in wanted
    ]
    if not surplus:
        host.noop("no program of another variant")
        return
    yield StringCommand("rm -f --", shlex.join(f"{folder}/{name}" for name in surplus))


@operation()
def updated() -> Generator[StringCommand]:
    """Bring a running supervisord to what its configuration files say; nothing where none runs (an image).

    Compares the daemon's state, not the changes of this run: a run that died before its reload is made good.
    """
    pending = host.get_fact(PendingPrograms)
    if not pending:
        host.noop("supervisord runs what its files say, or does not run")
        return
    yield StringCommand("supervisorctl update")


@operation()
def started(names: tuple[str, ...], wait: int) -> Generator[FunctionCommand]:
    """Start the host's services (`names`) and wait up to `wait` seconds until a person could use the desktop."""
    if host.get_fact(HostStarted, names=names):
        host.noop("services are started")
        return
    yield streamed(f"visomaster-start && visomaster-ready --wait {wait}")
