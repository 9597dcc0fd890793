"""supervisord's programs: which there are, that a running daemon knows them, and that the host is started."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Sequence

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, operation

from operations.facts.supervisor import HostReady, PendingPrograms, ProgramFiles
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
def updated(names: tuple[str, ...], holding_work: tuple[str, ...] = ()) -> Generator[StringCommand]:
    """Bring a running supervisord to what its files say of our programs `names`, in the order they start; nothing where
    none runs (an image).

    Compares the daemon's state, not the changes of this run: a run that died before its reload is made good. Of
    somebody else's programs only those are touched whose file is gone: it could as well be an older one of ours. Of
    `holding_work` it is said before they are stopped.
    """
    pending = host.get_fact(PendingPrograms)
    ours = [name for name, change in pending.items() if name in names or change == "disappeared"]
    if not ours:
        host.noop("supervisord runs what its files say, or does not run")
        return
    # Clients go before the X server: `update` fails with STILL_RUNNING on a program that is just coming back by itself.
    running = [name for name in ours if pending[name] != "available"]
    if running:
        warn_of_restarts([name for name in running if name in holding_work])
        last_first = sorted(running, key=lambda name: names.index(name) if name in names else len(names), reverse=True)
        yield StringCommand("supervisorctl stop", shlex.join(last_first))
    yield StringCommand("supervisorctl update", shlex.join(ours))


def warn_of_restarts(names: Sequence[str]) -> None:
    """Say that the run ends what a person works with, where `names` are any."""
    if names:
        lost = "what is open there and not saved is lost"
        host.log_styled(f"this run restarts {', '.join(names)}: {lost}", log_func=logger.warning, fg="yellow")


@operation()
def started(names: tuple[str, ...], wait: int) -> Generator[FunctionCommand]:
    """Start the host's services (`names`) and wait up to `wait` seconds until a person could use the desktop."""
    if host.get_fact(HostReady, names=names):
        host.noop("services are started and the desktop is ready")
        return
    yield streamed(f"visomaster-start && visomaster-ready --wait {wait}")
