"""The screen: Xtigervnc, X server and VNC server in one process."""

from __future__ import annotations

from visomaster_host import display, paths, rfb, users
from visomaster_host.choices import Access, Screen
from visomaster_host.files import owner_of, write_atomic
from visomaster_host.host import Host
from visomaster_host.problems import Problem
from visomaster_host.service import Check, Launch, Link, Service
from visomaster_host.store import VNC_PASSWORD, read_secret

CLOSED = ("-rfbport", "-1", "-rfbunixpath", str(paths.VNC_SOCKET), "-rfbunixmode", "0666")
"""Who may enter the socket's folder may connect."""


def launch(host: Host) -> Launch:
    """Xtigervnc for X clients that hold the cookie, and for viewers: on the public port with a password, or on a unix
    socket without one, behind the portal."""
    display.make_room(host)
    if host.access == Access.VNC:
        hand_over_password()
    return Launch(argv=command(host))


def command(host: Host) -> tuple[str, ...]:
    """Xtigervnc's command line. It names the password's file, never the password."""
    size, _, depth = host.geometry.rpartition("x")
    screen = ("-geometry", size, "-depth", depth, "-dpi", "96", "-desktop", host.window_title)
    # "local" is the socket without a file, which all containers of a network share.
    closed = ("-nolisten", "local" if display.has_file() else "unix", "-nolisten", "tcp")
    x = (host.display, *screen, *closed, "-auth", str(paths.XAUTHORITY), "-noreset")
    shared = ("-AlwaysShared", "-AcceptSetDesktopSize")
    if host.access == Access.VNC:
        port = ("-rfbport", str(host.port), "-UseIPv6=0", "-SecurityTypes", "VncAuth")
        return ("Xtigervnc", *x, *shared, *port, "-PasswordFile", str(paths.VNC_PASSWORD))
    return ("Xtigervnc", *x, *shared, *CLOSED, "-SecurityTypes", "None", "-UseBlacklist=0")


def hand_over_password() -> None:
    """Put the password where Xtigervnc reads it, in its own form. Raises `Problem` when none is stored."""
    import subprocess  # 2 ms that supervisord, which has this loaded, would wait for

    password = read_secret(VNC_PASSWORD)
    if not password:
        raise Problem(f"{paths.SECRETS / VNC_PASSWORD} is missing: visomaster-start writes it")
    done = subprocess.run(["tigervncpasswd", "-f"], input=password.encode(), capture_output=True, check=True)
    write_atomic(paths.VNC_PASSWORD, done.stdout, mode=0o600, owner=owner_of(users.DESKTOP))


def serves(host: Host) -> str:
    """The VNC server serves; on a public port it must demand the password. Raises `NotReady`."""
    if host.vnc_port is None:
        return rfb.handshake(paths.VNC_SOCKET, rfb.NO_PASSWORD)
    return rfb.handshake(("127.0.0.1", host.vnc_port), rfb.PASSWORD)


SERVICE = Service(
    name="xtigervnc",
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
