"""The virtual screen of the guide: an X server without a monitor."""

from __future__ import annotations

from visomaster_host import display, paths, screen_size
from visomaster_host.choices import Screen
from visomaster_host.host import Host
from visomaster_host.service import Check, Launch, Service
from visomaster_host.settings import read_settings


def launch(host: Host) -> Launch:
    """Xvfb for clients that hold the cookie, over one socket; with Mesa's EGL: NVIDIA's can crash it."""
    display.make_room(host)
    depth = host.geometry.rpartition("x")[2]
    size = f"{screen_size.first(host, read_settings())}x{depth}"
    screen = ("-screen", "0", size, "-dpi", "96", "+extension", "RANDR")
    # "local" is the socket without a file, which all containers of a network share.
    closed = ("-nolisten", "local" if display.has_file() else "unix", "-nolisten", "tcp")
    return Launch(
        argv=("Xvfb", host.display, *screen, *closed, "-auth", str(paths.XAUTHORITY), "-noreset"),
        variables={"__EGL_VENDOR_LIBRARY_FILENAMES": str(paths.MESA_EGL)} if paths.MESA_EGL.exists() else {},
    )


SERVICE = Service(
    name="xvfb",
    title="The screen (Xvfb)",
    launch=launch,
    screen=Screen.GUIDE,
    priority=10,
    log=paths.SUPERVISOR_LOGS / "xvfb.log",
    holds_work=True,  # no program outlives its X server
    checks=(Check(name="screen", probe=display.server),),
)
