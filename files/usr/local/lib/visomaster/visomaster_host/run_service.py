"""Run one service: visomaster-service NAME

What supervisord runs for each service. It waits for what the service needs, prepares it as root, gives up
root and becomes the service's program. Its own output and the program's go to the service's log.

Our own supervisord has this module loaded and calls it in the process it has forked (`run_forked`): a Python started
for each of seven services at once would keep the processors from the desktop itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from visomaster_host import paths, runs
from visomaster_host.host import Host, read_host
from visomaster_host.identity import give_up_root
from visomaster_host.kernel import end_with_parent
from visomaster_host.last_words import MARK
from visomaster_host.locales import is_usable
from visomaster_host.needs import PREPARED
from visomaster_host.problems import NotReady, Problem, reporting, say
from visomaster_host.service import Need, Service
from visomaster_host.services import known
from visomaster_host.text import lines
from visomaster_host.variables import begins_with, plain

POLL = 0.02
"""Seconds between two looks at something that is not there yet."""

TRY_AGAIN_AFTER = 30
"""Seconds after which a failed one-shot program is started again."""

SUPERVISORD_HANDLES = (*(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2),)
"""Signals for which supervisord has handlers (its `ServerOptions.setsignals`), which a fork inherits."""


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-service; returns an exit status only when the program was not reached, or runs once."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments in (["-h"], ["--help"]):
        print(__doc__, end="")
        return 0
    return reporting("visomaster-service", lambda: run(arguments))


def starts_at_once(arguments: Sequence[str]) -> bool:
    """Whether the service named by the only argument becomes its program soon. Another may be seen waiting, or working:
    it should be a process of its own, with its own name. So should one that cannot be told, to say what is wrong.
    """
    service = known().get(arguments[0]) if len(arguments) == 1 else None
    if service is None or service.once:
        return False
    try:
        if _state(_LOADED) != _LOADED:
            return False
        host = read_host()
        for need in (PREPARED, *service.needs):
            if need.within is None:
                need.probe(host)
    except (NotReady, Problem, OSError):
        return False
    return True


def _state(files: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Which `files` these are. A deploy may have replaced those that this program was loaded from."""
    found = ((file, os.stat(file)) for file in files)
    return {file: (status.st_ino, status.st_mtime_ns) for file, status in found}


def run_forked(arguments: list[str], variables: Mapping[str, str]) -> NoReturn:
    """Run visomaster-service in a process that supervisord has just forked, as if it were started with `variables`."""
    for number in SUPERVISORD_HANDLES:
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(variables)
    status = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the interpreter's end is supervisord's


def run(arguments: list[str]) -> int:
    """Run the service named by the only argument. Raises `Problem`."""
    if len(arguments) != 1 or arguments[0] not in known():
        raise Problem(f"expected one name of {', '.join(known())}, got {' '.join(arguments) or 'none'}")
    host = read_host()
    service = known()[arguments[0]]
    wait_for(PREPARED, host)
    tell_of_last_run(service)
    for need in service.needs:
        wait_for(need, host)
    launch = service.launch(host)
    variables = environment(service, launch.variables, os.environ)
    path = which(launch.argv[0], variables["PATH"])
    if path is None:
        raise Problem(f"{launch.argv[0]} is not installed: not found in {variables['PATH']}")
    give_up_root(service.user, service.groups)
    os.umask(service.umask)
    os.chdir(service.directory)  # as that user, whose folder it may be
    end_with_parent(signal.SIGTERM)
    if service.once:
        return run_once((path, *launch.argv[1:]), variables)
    return become(path, launch.argv, variables)


def tell_of_last_run(service: Service) -> None:
    """Say how the run of `service` before this one ended, in its log and the container's, if nobody had asked it to."""
    with contextlib.suppress(OSError):  # a full disk is no reason to run nothing
        if told := runs.begin(service):
            say(f"{MARK}{told}")
            tell_container(f"{MARK}{told}\n")


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
                say(f"visomaster-service: waiting: {said}")
        time.sleep(POLL)


def environment(service: Service, own: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of `service`: its own, the few of `inherited` it may see, and what all expect: every log is of one
    time zone, and every name of a file is UTF-8.
    """
    kept = {name: plain(value) for name, value in inherited.items() if _may_inherit(name, (*service.inherits, "TZ"))}
    kept = {name: value for name, value in kept.items() if not name.startswith("LC_") or is_usable(value)}
    user = {"HOME": str(service.home), "USER": service.user, "LOGNAME": service.user}
    return {"LANG": "C.UTF-8", "PATH": paths.SYSTEM_PATH, **kept, **user, **own}


def _may_inherit(name: str, allowed: tuple[str, ...]) -> bool:
    return name in allowed or begins_with(name, tuple(prefix for prefix in allowed if prefix.endswith("_")))


def become(path: str, command: tuple[str, ...], variables: Mapping[str, str]) -> NoReturn:
    """Replace this process by `command`."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would hand that on
    os.execve(path, command, variables)


def run_once(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a program that ends by itself, and show what it says in the container's log too; returns its exit status.

    A failure is returned only after a while: supervisord starts the service again at once.
    """
    import subprocess  # 2 ms that supervisord, which has this loaded, would wait for

    out, err = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(command, env=variables, stdout=out, stderr=err, text=True, errors="replace") as process:
        for line in process.stdout or ():
            print(lines(line), end="", flush=True)
            tell_container(line)
    status = process.returncode
    if status != 0:
        print(f"visomaster-service: failed with status {status:d}, next try in {TRY_AGAIN_AFTER} s", flush=True)
        time.sleep(TRY_AGAIN_AFTER)
    return status


def tell_container(line: str) -> None:
    """Write `line` to the output of the container's first process, which `docker logs` shows, where there is one."""
    with contextlib.suppress(OSError):  # not root, no container, or a reader that is not fast enough
        log = os.open(paths.CONTAINER_LOG, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            os.write(log, lines(line).encode())
        finally:
            os.close(log)


known()  # what it loads counts
_LOADED = _state(
    module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == __package__ and module.__file__
)
