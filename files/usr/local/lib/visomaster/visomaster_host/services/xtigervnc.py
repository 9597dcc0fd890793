"""The screen: Xtigervnc, X server and VNC server in one process."""

from __future__ import annotations

from visomaster_host import display, paths, rfb, runs, screen_size, users, vnc_access, x_start
from visomaster_host.choices import Access, Screen
from visomaster_host.files import owner_of
from visomaster_host.host import Host
from visomaster_host.portal import front
from visomaster_host.service import Check, Launch, Link, Service
from visomaster_host.settings import Settings, read_settings

NAME = "xtigervnc"

CLOSED = ("-rfbport", "-1", "-rfbunixpath", str(paths.VNC_SOCKET), "-rfbunixmode", "0666", "-SecurityTypes", "None")
"""No TCP port. Who may enter the socket's folder may connect."""

NOBODY = ("-rfbport", "-1", "-SecurityTypes", "None")
"""For no viewer at all."""

NO_LOCKOUT = "-UseBlacklist=0"
"""Without it an address that has connected five times and not logged in, for whatever reason, waits 10 seconds, then
20, 40 and so on. All who come over the unix socket have one address."""

LOG = {Access.VNC: "*:stdout:30", Access.PORTAL: "*:stdout:10"}
"""Standard error is closed where standard input is a socket. Who came and went is of interest on a public port; behind
a portal it is websockify and readiness alone, and the portal has a log of its own."""


def launch(host: Host) -> Launch:
    """Xtigervnc for X clients that hold the cookie, and for viewers: on the public port with a password, or on a unix
    socket without one, behind the portal."""
    settings = read_settings()
    display.make_room(host)  # raises where the server would end at once
    certificate = False
    if host.access == Access.VNC:
        vnc_access.hand_over_password()
        certificate = vnc_access.hand_over_certificate()
        if runs.has_just_ended(NAME):
            x_start.say_why_not((*server(host, settings), *NOBODY))
            display.make_room(host)
        vnc_access.take_port(host.port)
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
    return ("Xtigervnc", host.display, *screen, *closed, "-auth", str(paths.XAUTHORITY), "-noreset", *shared)


def serves(host: Host) -> str:
    """The VNC server serves. Raises `NotReady`.

    On a public port nobody connects for it: every connection that does not log in counts for the lock-out of its
    address, and those of this machine come from the one that SSH tunnels have. Who listens there is the X server
    itself, in one loop with its clients, and whether that answers is another check.
    """
    if host.access == Access.VNC:
        return front.held_by(host.port, owner_of(users.DESKTOP))
    return rfb.handshake(paths.VNC_SOCKET, rfb.NO_PASSWORD)


SERVICE = Service(
    name=NAME,
    launch=launch,
    screen=Screen.TIGERVNC,
    priority=10,
    log=paths.VNC_LOG,
    given_secret=Access.VNC,
    public=Access.VNC,
    holds_work=True,  # no program outlives its X server
    checks=(Check(name="x", probe=display.server), Check(name="vnc", probe=serves)),
    links=(Link(name="VNCLogs", path=f"/logs/{paths.VNC_LOG.name}", place=30),),
)
