"""Start the desktop and its services: visomaster-start [COMMAND [ARGUMENT...]]

Safe to call any number of times, from anywhere:
- as a container's main program it prepares the host and becomes supervisord; stopping the container stops
  everything;
- from an on-start line or a shell it starts supervisord in a session of its own and returns, or does nothing
  when the services are there already;
- where somebody else's supervisord runs it adds the services to that one.
With a COMMAND it starts the services in the background, then becomes COMMAND (docker run -it IMAGE bash).

Read from the environment: VNC_PASSWORD, OPEN_BUTTON_TOKEN, PORTAL_CONFIG, VAST_CONTAINERLABEL, ENABLE_HTTPS,
VISOMASTER_MIRRORS, MODELS_DIR, SCREEN, SCREEN_MAX, VNC_LOCKOUT. A secret may be given as a file: VNC_PASSWORD_FILE,
OPEN_BUTTON_TOKEN_FILE. One that is not given is taken from the last start, else generated; visomaster-credentials
prints it. Of a rented machine's end: LEASE_UNTIL, ON_END, IDLE, LEASE_API, CONTAINER_ID, CONTAINER_API_KEY.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO, NoReturn

from visomaster_host import paths, stand_ins, supervisor
from visomaster_host.environment import Environment, container_environment, drop_secrets, read_environment, tell_logins
from visomaster_host.files import ensure_directory
from visomaster_host.host import Host, read_host
from visomaster_host.locales import zone_problem
from visomaster_host.prepare import make_log_directories, prepare
from visomaster_host.prepared import is_prepared
from visomaster_host.problems import Problem, going_on, reporting, say
from visomaster_host.refusals import REQUIRED, lacks, missing_capabilities, refusal

LOCK_WITHIN = 60.0
"""Seconds to wait for another start to end; that one is bounded too."""

ANSWERS_WITHIN = 30.0
"""Seconds until a new supervisord must accept connections; it takes 0.3 s on an idle machine."""

POLL = 0.005

INITS = frozenset({"catatonit", "docker-init", "dumb-init", "tini"})
"""Programs that only forward signals and reap: under one of them (`docker run --init`) we are the main
program.
"""

SUPERVISORD = (str(paths.SUPERVISORD), "-n", "-c", str(paths.SUPERVISORD_CONFIG))
SUMMARY = (str(paths.READY_COMMAND), "--summary")


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-start; returns its exit status, unless it became supervisord or COMMAND."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__, end="")
        return 0
    return reporting("visomaster-start", lambda: start(arguments))


def start(command: list[str]) -> int:
    """Start everything, then become `command` if there is one. Raises `Problem`; settings that cannot be used change
    nothing."""
    if command and command[0].startswith("-"):
        raise Problem(f"unknown option {command[0]!r}, expected --help or a command to run after the start")
    if os.geteuid() != 0:
        raise Problem("must be run as root")
    if missing := tuple(name for name in missing_capabilities() if name in REQUIRED):
        raise Problem(lacks(missing))
    host = read_host()
    variables = container_environment()
    checked = read_environment(variables, host)
    if problem := zone_problem(variables.get("TZ", "")):
        _say(problem)
    tell_logins()
    if not command and is_main_program(os.getpid(), os.getppid(), _name_of_init()):
        become_supervisord(host, checked)
    _say(ensure_running(host, checked))
    if command:
        _become_command(command)
    return 0


def is_main_program(pid: int, parent: int, init: str) -> bool:
    """Whether the container lives as long as this process: it is process 1, or the child of a bare init."""
    return pid == 1 or (parent == 1 and init in INITS)


def become_supervisord(host: Host, checked: Environment) -> NoReturn:
    """Prepare, then replace this process by supervisord. Raises `Problem` when one runs already."""
    take_lock()  # until the exec below, and in the child until supervisord answers
    if supervisor.is_listening():
        raise Problem(f"another supervisord answers on {paths.SUPERVISOR_SOCKET} already")
    prepare(host, checked)
    _say(f"starting {', '.join(host.services)}; visomaster-credentials tells how to log in")
    with going_on("visomaster-start", "supervisord starts its first service a second later"):
        if os.fork() == 0:
            _wake_supervisord()
            _tell_when_ready()
    os.execve(SUPERVISORD[0], SUPERVISORD, _environment_without_secrets())


def ensure_running(host: Host, checked: Environment) -> str:
    """Have a supervisord run the services of `host`; returns the line that says how. Raises `Problem`."""
    lock = take_lock()
    try:
        if supervisor.is_listening():
            return join_running(host, checked)
        prepare(host, checked)
        return launch_supervisord()
    finally:
        os.close(lock)


def join_running(host: Host, checked: Environment) -> str:
    """Add what is missing to the supervisord that runs here, ours or not. Raises `Problem` when it does not
    find it.
    """
    known = supervisor.programs()
    missing = [name for name in host.services if name not in known]
    who = f"supervisord (process {supervisor.pid()})"
    if not missing and is_prepared(host):
        return f"already running under {who}: nothing changed"
    make_log_directories()
    found = supervisor.reread() if missing else set()
    lost = [name for name in missing if name not in found]
    if lost:
        raise Problem(
            f"the running {who} does not include {paths.SUPERVISOR_PROGRAMS}/*.conf: it finds no {', '.join(lost)}"
        )
    if not is_prepared(host):
        prepare(host, checked, new_cookie=missing == list(host.services))
    for name in missing:
        supervisor.add(name)
    return f"prepared the host and added {', '.join(missing) or 'nothing'} to the running {who}"


def launch_supervisord() -> str:
    """Start supervisord in its own session, so that it outlives the caller, and wait until it answers."""
    import subprocess  # 3 ms that a container, where this process becomes supervisord, would wait for

    with _supervisord_log() as log:
        process = subprocess.Popen(
            [*SUPERVISORD, "--silent"],  # it writes the same log itself; this is for what it cannot log
            cwd="/",
            env=_environment_without_secrets(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + ANSWERS_WITHIN
    while not supervisor.is_listening():
        if process.poll() is not None:
            raise Problem(f"supervisord ended with status {process.returncode}: see {paths.SUPERVISORD_LOG}")
        if time.monotonic() > deadline:
            raise Problem(f"supervisord does not answer after {ANSWERS_WITHIN:.0f} s: see {paths.SUPERVISORD_LOG}")
        time.sleep(POLL)
    return f"started supervisord (process {supervisor.pid()}); visomaster-credentials tells how to log in"


def _supervisord_log() -> BinaryIO:
    """Where supervisord's own output goes. Raises OSError."""
    try:
        return (stand_ins.actual(paths.SUPERVISOR_LOGS) / paths.SUPERVISORD_LOG.name).open("ab")
    except OSError as error:
        say(f"visomaster-start: {refusal(error)}; going on: without what supervisord says of itself")
        return open(os.devnull, "ab")


def take_lock(within: float = LOCK_WITHIN) -> int:
    """The descriptor of the held start lock; closing it gives the lock back. Raises `Problem` after `within`
    seconds.

    Programs started from here do not inherit it (PEP 446); a forked child does, and then holds the lock as
    well.
    """
    ensure_directory(paths.RUN, mode=0o755)
    lock = os.open(paths.START_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + within
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise Problem(f"another visomaster-start holds {paths.START_LOCK} for over {within:.0f} s") from None
            time.sleep(POLL)


def _tell_when_ready() -> NoReturn:
    """In the forked child: become the program that ends the container's log with where the desktop is opened."""
    try:
        os.execve(SUMMARY[0], SUMMARY, _environment_without_secrets())
    finally:
        os._exit(1)


def _wake_supervisord() -> None:
    """In a forked child: connect to supervisord as soon as that works.

    supervisord sleeps for a second before it spawns its first program, unless a connection wakes it. Until
    then the child holds the start lock too: a second start meanwhile waits, then finds the services there.
    """
    deadline = time.monotonic() + ANSWERS_WITHIN
    try:
        while not supervisor.is_listening() and time.monotonic() < deadline:
            time.sleep(POLL)
    except BaseException:
        os._exit(1)


def _environment_without_secrets() -> dict[str, str]:
    variables = dict(container_environment())
    drop_secrets(variables)
    return variables


def _name_of_init() -> str:
    return Path("/proc/1/comm").read_text(encoding="utf-8").strip()


def _become_command(command: list[str]) -> NoReturn:
    drop_secrets(os.environ)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Problem(f"cannot run {command[0]!r}: {error.strerror}") from None


def _say(line: str) -> None:
    say(f"visomaster-start: {line}")
