"""The services of a host as one table: what each waits for, as whom it runs, and the command it becomes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host import beneath, display, limits, paths
from visomaster_host.environment import read_settings
from visomaster_host.files import owner_of, write_atomic
from visomaster_host.host import Host
from visomaster_host.portal.auth import TokenError, login_for
from visomaster_host.prepare import PAGES_USER, USER, is_prepared
from visomaster_host.problems import NotReady, Problem
from visomaster_host.store import PORTAL_TOKEN, VNC_PASSWORD, read_secret
from visomaster_host.text import printable

X11VNC_TUNING = (
    *("-forever", "-shared", "-repeat", "-xkb", "-nolookup"),
    *("-noncache", "-noscr", "-nowf", "-wait", "5", "-defer", "0", "-readtimeout", "10", "-sb", "0"),
)
"""Chosen by `bench/desktop`: short waits for low latency, no scroll and wireframe guesses, which only add to it. Not
`-threads`: a little faster, but it leaks a thread and a file with viewers that go. A viewer that stops in the middle
of a message holds up the others; `-readtimeout` bounds that."""

NO_IPV6 = ("-noipv6", "-rfbportv6", "-1")
"""Both are needed: with any port but 5900, libvncserver opens [::]:5900 besides unless that port is -1."""

WEBSOCKET = ("127.0.0.1", 6080)


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that must be there first: `probe` raises `NotReady` until it is; `within` seconds, None for
    ever.
    """

    probe: Callable[[Host], str]
    within: float | None


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The command a service becomes, and the variables it has besides those of every process."""

    argv: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Program:
    """How one service runs.

    `launch` is called as root once everything in `needs` was there: it prepares the host and says what to
    run. The program's environment is what `launch` says and what `inherits` names (a name ending in "_" is a
    prefix), never all that the container was given. `groups` are more than the user has. `once` marks a program
    that ends by itself when its work is done.
    """

    launch: Callable[[Host], Launch]
    user: str = USER
    home: Path = paths.HOME
    directory: Path = paths.HOME
    needs: tuple[Need, ...] = ()
    inherits: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    umask: int = 0o022
    once: bool = False


def prepared(host: Host) -> str:
    """visomaster-start has run since this machine started. Raises `NotReady`.

    A supervisord that belongs to the machine starts the services on its own after a reboot; they then wait.
    """
    if not is_prepared(host):
        raise NotReady(f"visomaster-start has not run yet ({paths.PREPARED} is missing, or of another variant)")
    return "visomaster-start has run"


def models(host: Host) -> str:
    """The models are there: at once when the image brought them, else when this start's fetch has proven and linked all
    of them. A marker in a store that others use too, or used before, would not tell. Raises `NotReady`.
    """
    if host.models == "start" and _status_of_fetch() != "done":
        raise NotReady(f"models are still being fetched ({paths.FETCH_STATE} is not done)")
    return "all there"


def _status_of_fetch() -> str | None:
    try:
        return str(json.loads(paths.FETCH_STATE.read_text(encoding="utf-8"))["status"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def xvfb(host: Host) -> Launch:
    """Xvfb for clients that hold the cookie, over a socket; with Mesa's EGL: NVIDIA's can crash it."""
    remove_stale_display(host)
    screen = ("-screen", "0", host.screen, "-dpi", "96", "+extension", "RANDR")
    return Launch(
        argv=("Xvfb", host.display, *screen, "-nolisten", "tcp", "-auth", str(paths.XAUTHORITY), "-noreset"),
        variables={"__EGL_VENDOR_LIBRARY_FILENAMES": str(paths.MESA_EGL)} if paths.MESA_EGL.exists() else {},
    )


def remove_stale_display(host: Host) -> None:
    """Remove the lock and socket of an X server that is gone. Raises `Problem` when one lives on the display.

    Process numbers repeat over `docker restart`: a left lock can name a living stranger, and Xvfb then gives
    up with "Server is already active".
    """
    with beneath.Folder.open(paths.X11_SOCKETS) as sockets, beneath.Folder.open(paths.X11_LOCKS) as locks:
        if sockets.answers(f"X{host.display_number}"):
            raise Problem(f"another X server runs on display {host.display} already")
        sockets.remove(f"X{host.display_number}")
        locks.remove(f".X{host.display_number}-lock")


def fluxbox(host: Host) -> Launch:
    """Fluxbox with the host's configuration instead of the user's."""
    return Launch(argv=("fluxbox", "-rc", str(paths.FLUXBOX / "init")), variables=display.variables(host))


def x11vnc(host: Host) -> Launch:
    """x11vnc on the public port with a password, or on loopback without one, behind the portal."""
    if host.access == "vnc":
        hand_over_password()
    # It otherwise handles no clipboard for 8 seconds, 45 without a window manager, and drops what comes earlier.
    variables = {"X11VNC_AVOID_WINDOWS": "never", "VNC_VISITS": str(paths.VNC_VISITS)}
    return Launch(argv=x11vnc_argv(host), variables=variables)


def x11vnc_argv(host: Host) -> tuple[str, ...]:
    """x11vnc's command line. It names the password's file, never the password: arguments can be read by
    anyone.
    """
    attach = ("-display", host.display, "-auth", str(paths.XAUTHORITY), "-rfbport", str(host.vnc_port))
    brake = ("-accept", str(paths.VNC_BRAKE), "-afteraccept", str(paths.VNC_BRAKE))
    public = ("-passwdfile", f"rm:{paths.X11VNC_PASSWORD}", *brake)
    access = public if host.access == "vnc" else ("-localhost", "-nopw")
    return ("x11vnc", *attach, *X11VNC_TUNING, *NO_IPV6, *access)


def hand_over_password() -> None:
    """Put the password where x11vnc reads it once and deletes it. Raises `Problem` when none is stored."""
    password = read_secret(VNC_PASSWORD)
    if not password:
        raise Problem(f"{paths.SECRETS / VNC_PASSWORD} is missing: visomaster-start writes it")
    write_atomic(paths.X11VNC_PASSWORD, f"{password}\n".encode(), mode=0o600, owner=owner_of(USER))


def websockify(host: Host) -> Launch:
    """websockify between the portal and x11vnc, both on loopback; its module comes without numpy."""
    address, port = WEBSOCKET
    return Launch(
        argv=("python3", "-m", "visomaster_host.websockify", f"{address}:{port}", f"127.0.0.1:{host.vnc_port}"),
        variables={"PYTHONPATH": f"{paths.PACKAGES}:{paths.WEBSOCKIFY}"},
    )


def portal(host: Host) -> Launch:
    """The portal's pages, behind Caddy, with the folder of the sessions that the token has begun."""
    try:
        login = login_for(read_secret(PORTAL_TOKEN) or "", read_settings().container_label)
    except TokenError as error:
        raise Problem(f"{error}; the portal stays closed") from None
    return Launch(
        argv=("/usr/local/bin/visomaster-portal",),
        variables={
            "PORTAL_SESSIONS": str(paths.SESSIONS / login.sessions),
            "PORTAL_PATH": login.path,
            "PORTAL_COOKIE": login.cookie,
        },
    )


def front(host: Host) -> Launch:
    """HAProxy on the public port, whose socket it inherits."""
    from visomaster_host.portal import front

    owner = owner_of(front.USER)
    if (holder := front.reserve_ipv6(host.port, owner)) is not None:
        holder.detach()  # open as long as the process that this one becomes
    listener = front.listen(host.port, owner).detach()
    argv = front.command("haproxy", paths.FRONT_CONFIGURATION)
    return Launch(argv=argv, variables=front.variables(listener, paths.CADDY_SOCKET))


def caddy(host: Host) -> Launch:
    """Caddy with what the portal's own code prepares for it; the token is in Caddy's environment alone."""
    from visomaster_host.portal import apply

    with beneath.Folder.open(paths.FRONT) as folder:
        folder.remove(paths.CADDY_SOCKET.name)  # of one that was killed
    prepared = apply.prepare(apply.stored(), apply.Places(caddy=owner_of("caddy"), port=host.port))
    for notice in prepared.notices:
        print(printable(f"visomaster-service: {notice}"), flush=True)
    return Launch(argv=prepared.command, variables=prepared.environment)


def fetch(host: Host) -> Launch:
    """The fetcher with the host's manifest; it finds the store and mirrors that this start was given."""
    return Launch(argv=("/usr/local/bin/visomaster-fetch", "--state", str(paths.FETCH_STATE)))


def application(host: Host) -> Launch:
    """The program in its environment's Python; the environment is first on PATH, the program's own tools
    follow.

    The number of this process, which becomes the program, is written down for the desktop's menu.
    """
    put_workspace_aside()
    write_atomic(paths.APPLICATION_PID, f"{os.getpid()}\n".encode(), mode=0o600, owner=owner_of(USER))
    return Launch(
        argv=("python", "main.py"),
        variables={
            **limits.variables(),
            **display.variables(host),
            "PATH": f"{paths.CONDA_BIN}:{paths.DEPENDENCIES}:{paths.SYSTEM_PATH}",
            "PYTHONUNBUFFERED": "1",  # its log is followed live
            "XDG_RUNTIME_DIR": str(paths.DESKTOP),
        },
    )


def put_workspace_aside() -> None:
    """Keep `last_workspace.json` under another name: the program would ask about it before it opens."""
    with beneath.Folder.open(paths.PROGRAM) as program, contextlib.suppress(FileNotFoundError):
        program.rename("last_workspace.json", "last_workspace.previous.json")


PREPARED = Need(probe=prepared, within=None)
X_SERVER = Need(probe=display.listening, within=30)
WINDOW_MANAGER = Need(probe=display.window_manager, within=30)
MODELS = Need(probe=models, within=None)

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_FOR_THE_APPLICATION = (
    *limits.VARIABLES,
    *_PROXIES,
    *("CUDA_", "LC_", "LD_LIBRARY_PATH", "NVIDIA_", "ORT_", "PYTORCH_", "QT_", "TORCH_", "TZ"),
)

PROGRAMS: Mapping[str, Program] = {
    "xvfb": Program(launch=xvfb),
    "fluxbox": Program(launch=fluxbox, needs=(X_SERVER,)),
    "x11vnc": Program(launch=x11vnc, needs=(X_SERVER,)),
    # From the root: with -m, Python takes modules of the working directory before its own.
    "websockify": Program(launch=websockify, directory=Path("/")),
    "portal": Program(launch=portal, user=PAGES_USER, home=Path("/"), directory=Path("/")),
    # It may open Caddy's socket, and nothing else of Caddy's.
    "visomaster_front": Program(launch=front, user="haproxy", home=Path("/"), directory=Path("/"), groups=("caddy",)),
    "visomaster_caddy": Program(
        launch=caddy,
        user="caddy",
        home=paths.FRONT,
        directory=Path("/"),
        umask=0o007,
    ),
    "visomaster_fetch": Program(
        launch=fetch,
        user="root",
        home=Path("/root"),
        directory=Path("/"),
        inherits=("HF_TOKEN", *_PROXIES),
        once=True,
    ),
    "visomaster_app": Program(
        launch=application,
        directory=paths.PROGRAM,
        needs=(X_SERVER, WINDOW_MANAGER, MODELS),
        inherits=_FOR_THE_APPLICATION,
    ),
}
