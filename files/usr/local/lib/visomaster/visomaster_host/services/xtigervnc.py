"""The screen: Xtigervnc, X server and VNC server in one process."""

from __future__ import annotations

from visomaster_host import display, paths, rfb, screen_size, vnc_access
from visomaster_host.choices import Access, Screen
from visomaster_host.host import Host
from visomaster_host.service import Check, Launch, Link, Service
from visomaster_host.settings import Settings, read_settings

NAME = "xtigervnc"

CLOSED = ("-rfbport", "-1", "-rfbunixpath", str(paths.VNC_SOCKET), "-rfbunixmode", "0666", "-SecurityTypes", "None")
"""No TCP port. Who may enter the socket's folder may connect."""

FILES = ("-lf", "1024")
"""Its limit of open files: it aborts when a viewer has a higher descriptor (`select`), and otherwise raises the limit
to what it may, which engines set to a million."""

NO_LOCKOUT = "-UseBlacklist=0"
"""Without it an address that has connected five times and not logged in, for whatever reason, waits 10 seconds, then
20, 40 and so on. All who come over the unix socket have one address."""

LOG = {Access.VNC: "*:stdout:30", Access.PORTAL: "*:stdout:10"}
"""Who came and went is of interest on a public port; behind a portal it is websockify and readiness alone, and the
portal has a log of its own."""


def launch(host: Host) -> Launch:
    """Xtigervnc for X clients that hold the cookie, and for viewers: with a password behind the gate, which has the
    public port, or on a unix socket without one, behind the portal."""
    settings = read_settings()
    display.make_room(host)  # raises where the server would end at once
    certificate = host.access == Access.VNC and vnc_access.hand_over_certificate()
    return Launch(argv=command(host, settings, certificate=certificate))


def command(host: Host, settings: Settings, *, certificate: bool) -> tuple[str, ...]:
    """Xtigervnc's whole command line."""
    log = ("-Log", LOG[host.access])
    if host.access == Access.PORTAL:
        return (*server(host, settings), *log, *CLOSED, NO_LOCKOUT)
    lockout = () if settings.vnc_lockout else (NO_LOCKOUT,)
    return (*server(host, settings), *log, *vnc_access.options(certificate=certificate), *lockout)


def server(host: Host, settings: Settings) -> tuple[str, ...]:
    """The part of it that is about the screen, not about viewers."""
    depth = host.geometry.rpartition("x")[2]
    size = str(screen_size.first(host, settings))
    screen = ("-geometry", size, "-depth", depth, "-dpi", "96", "-desktop", host.window_title)
    # "local" is the socket without a file, which all containers of a network share.
    closed = ("-nolisten", "local" if display.has_file() else "unix", "-nolisten", "tcp")
    shared = ("-AlwaysShared", "-AcceptSetDesktopSize")
    return ("Xtigervnc", host.display, *screen, *closed, "-auth", str(paths.XAUTHORITY), "-noreset", *FILES, *shared)


def serves(host: Host) -> str:
    """The VNC server serves; on a public port it must demand the password. Raises `NotReady`."""
    if host.vnc_port is not None:
        return rfb.handshake(("127.0.0.1", host.vnc_port), rfb.PASSWORD, rfb.ASKING)
    return rfb.handshake(paths.VNC_SOCKET, rfb.NO_PASSWORD)


SERVICE = Service(
    name=NAME,
    title="The screen (VNC)",
    launch=launch,
    screen=Screen.TIGERVNC,
    priority=10,
    log=paths.VNC_LOG,
    holds_work=True,  # no program outlives its X server
    checks=(Check(name="screen", probe=display.server), Check(name="vnc", probe=serves)),
    links=(Link(name="VNCLogs", title="The screen (VNC)", path=f"/logs/{paths.VNC_LOG.name}", place=30),),
)
