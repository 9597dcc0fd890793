"""Run one service: visomaster-service NAME

What supervisord runs for each service. It waits for what the service needs, prepares it as root, gives up
root and becomes the service's program. Its own output and the program's go to the service's log.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from visomaster_host import paths
from visomaster_host.host import Host, read_host
from visomaster_host.kernel import end_with_parent
from visomaster_host.problems import NotReady, Problem, reporting
from visomaster_host.programs import PREPARED, PROGRAMS, Need, Program

POLL = 0.02
"""Seconds between two looks at something that is not there yet."""

TRY_AGAIN_AFTER = 30
"""Seconds after which a failed one-shot program is started again."""


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-service; returns an exit status only when the program was not reached, or runs once."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments in (["-h"], ["--help"]):
        print(__doc__, end="")
        return 0
    return reporting("visomaster-service", lambda: run(arguments))


def run(arguments: list[str]) -> int:
    """Run the service named by the only argument. Raises `Problem`."""
    if len(arguments) != 1 or arguments[0] not in PROGRAMS:
        raise Problem(f"expected one name of {', '.join(PROGRAMS)}, got {' '.join(arguments) or 'none'}")
    host = read_host()
    program = PROGRAMS[arguments[0]]
    for need in (PREPARED, *program.needs):
        wait_for(need, host)
    launch = program.launch(host)
    variables = environment(program, launch.variables, os.environ)
    path = which(launch.argv[0], variables["PATH"])
    if path is None:
        raise Problem(f"{launch.argv[0]} is not installed: not found in {variables['PATH']}")
    os.chdir(program.directory)
    give_up_root(program.user)
    end_with_parent(signal.SIGTERM)
    if program.once:
        return run_once((path, *launch.argv[1:]), variables)
    return become(path, launch.argv, variables)


def which(program: str, folders: str) -> str | None:
    """Where `program` is in the colon-separated `folders`. shutil's own would cost each start a tenth of its time."""
    found = (os.path.join(folder, program) for folder in folders.split(":"))
    return program if "/" in program else next((path for path in found if os.access(path, os.X_OK)), None)


def wait_for(need: Need, host: Host) -> None:
    """Return when `need` is there; says each new reason it is not. Raises `Problem` when its time is over."""
    deadline = None if need.within is None else time.monotonic() + need.within
    said = ""
    while True:
        try:
            need.probe(host)
            return
        except NotReady as reason:
            if deadline is not None and time.monotonic() > deadline:
                raise Problem(f"gave up after {need.within:.0f} s: {reason}") from None
            if deadline is None and str(reason) != said:
                said = str(reason)
                print(f"visomaster-service: waiting: {said}", flush=True)
        time.sleep(POLL)


def environment(program: Program, own: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of `program`: its own, the few of `inherited` it may see, and what all expect."""
    kept = {name: value for name, value in inherited.items() if _may_inherit(name, program.inherits)}
    user = {"HOME": str(program.home), "USER": program.user, "LOGNAME": program.user}
    return {"LANG": "C.UTF-8", "PATH": paths.SYSTEM_PATH, **kept, **user, **own}


def _may_inherit(name: str, allowed: tuple[str, ...]) -> bool:
    return name in allowed or any(name.startswith(prefix) for prefix in allowed if prefix.endswith("_"))


def give_up_root(user: str) -> None:
    """Become `user` for good, with its groups. Raises `Problem` when there is no such user."""
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Problem(f"there is no user {user!r}") from None
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.umask(0o022)


def become(path: str, command: tuple[str, ...], variables: Mapping[str, str]) -> NoReturn:
    """Replace this process by `command`."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would hand that on
    os.execve(path, command, variables)


def run_once(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a program that ends by itself; returns its exit status.

    A failure is returned only after a while: supervisord starts the service again at once.
    """
    import subprocess

    status = subprocess.run(command, env=variables).returncode
    if status != 0:
        print(f"visomaster-service: failed with status {status}, next try in {TRY_AGAIN_AFTER} s", flush=True)
        time.sleep(TRY_AGAIN_AFTER)
    return status
