"""The virtual screen: an X server without a monitor."""

from __future__ import annotations

from visomaster_host import beneath, display, paths
from visomaster_host.host import Host
from visomaster_host.problems import Problem
from visomaster_host.service import Check, Launch, Service


def launch(host: Host) -> Launch:
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


SERVICE = Service(
    name="xvfb",
    launch=launch,
    priority=10,
    log=paths.SUPERVISOR_LOGS / "xvfb.log",
    holds_work=True,  # no program outlives its X server
    checks=(Check(name="x", probe=display.server),),
)
