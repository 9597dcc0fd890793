"""The virtual screen: an X server without a monitor."""

from __future__ import annotations

import contextlib
import stat

from visomaster_host import beneath, display, paths
from visomaster_host.host import Host
from visomaster_host.problems import Problem
from visomaster_host.service import Check, Launch, Service


def launch(host: Host) -> Launch:
    """Xvfb for clients that hold the cookie, over one socket; with Mesa's EGL: NVIDIA's can crash it."""
    require_room()
    remove_stale_display(host)
    screen = ("-screen", "0", host.screen, "-dpi", "96", "+extension", "RANDR")
    # "local" is the socket without a file, which all containers of a network share.
    closed = ("-nolisten", "local" if display.has_file() else "unix", "-nolisten", "tcp")
    return Launch(
        argv=("Xvfb", host.display, *screen, *closed, "-auth", str(paths.XAUTHORITY), "-noreset"),
        variables={"__EGL_VENDOR_LIBRARY_FILENAMES": str(paths.MESA_EGL)} if paths.MESA_EGL.exists() else {},
    )


def require_room() -> None:
    """Raise OSError, `Problem` where no lock can be made: the X server ends then."""
    with beneath.Folder.open(paths.X11_LOCKS) as locks:
        locks.require_writable()
        if not locks.owner.st_mode & stat.S_IWOTH:
            raise Problem(f"{paths.X11_LOCKS}: expected a folder that everybody may write in: chmod 1777 it")


def remove_stale_display(host: Host) -> None:
    """Remove the lock and socket of an X server that is gone. Raises `Problem` when one lives on the display.

    Process numbers repeat over `docker restart`: a left lock can name a living stranger, and Xvfb then gives
    up with "Server is already active".
    """
    if display.taken(int(host.display_number)):
        raise Problem(f"display {host.display} is taken by another X server: {display.GIVE_A_NETWORK}")
    # Where sockets cannot be removed none can be made: ours then has no file.
    with contextlib.suppress(OSError), beneath.Folder.open(paths.X11_SOCKETS) as sockets:
        sockets.remove(f"X{host.display_number}")
    with beneath.Folder.open(paths.X11_LOCKS) as locks:
        locks.remove(f".X{host.display_number}-lock")


SERVICE = Service(
    name="xvfb",
    launch=launch,
    priority=10,
    log=paths.SUPERVISOR_LOGS / "xvfb.log",
    holds_work=True,  # no program outlives its X server
    checks=(Check(name="x", probe=display.server),),
)
