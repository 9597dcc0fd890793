"""The VNC server of the guide: on the public port with a password, or on loopback behind the portal."""

from __future__ import annotations

import resource

from visomaster_host import paths, rfb, users
from visomaster_host.choices import VNC_PORT, Access, Screen
from visomaster_host.files import owner_of, write_atomic
from visomaster_host.host import Host
from visomaster_host.needs import X_SERVER
from visomaster_host.problems import Problem
from visomaster_host.service import Check, Launch, Link, Service
from visomaster_host.store import VNC_PASSWORD, read_secret

TUNING = (
    *("-forever", "-shared", "-repeat", "-xkb", "-nolookup"),
    *("-noncache", "-noscr", "-nowf", "-wait", "5", "-defer", "0", "-readtimeout", "10", "-sb", "0"),
)
"""As measured (docs/decisions/0006): short waits for low latency, no scroll and wireframe guesses, which only add to
it. Not `-threads`: a little faster, but it leaks a thread and a file with viewers that go. A viewer that stops in the
middle of a message holds up the others; `-readtimeout` bounds that."""

FILES = 1024
"""The most descriptors. For each visitor it walks over all that it might have, up to the limit: with a million of them,
as Docker gives, a greeting took 0.6 to 37 s."""

NO_IPV6 = ("-noipv6", "-rfbportv6", "-1")
"""Both are needed: with any port but VNC's usual one, libvncserver opens that one of IPv6 besides unless this is -1."""


def launch(host: Host) -> Launch:
    """x11vnc on the public port with a password, or on loopback without one, behind the portal."""
    if host.access == Access.VNC:
        hand_over_password()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, FILES), hard))
    # It otherwise handles no clipboard for 8 seconds, 45 without a window manager, and drops what comes earlier.
    variables = {"X11VNC_AVOID_WINDOWS": "never", "VNC_VISITS": str(paths.VNC_VISITS)}
    return Launch(argv=command(host), variables=variables)


def command(host: Host) -> tuple[str, ...]:
    """x11vnc's command line. It names the password's file, never the password: arguments can be read by
    anyone.
    """
    attach = ("-display", host.display, "-auth", str(paths.XAUTHORITY), "-rfbport", str(host.vnc_port or VNC_PORT))
    brake = ("-accept", str(paths.VNC_BRAKE), "-afteraccept", str(paths.VNC_BRAKE))
    public = ("-passwdfile", f"rm:{paths.X11VNC_PASSWORD}", *brake)
    access = public if host.access == Access.VNC else ("-localhost", "-nopw")
    return ("x11vnc", *attach, *TUNING, *NO_IPV6, *access)


def hand_over_password() -> None:
    """Put the password where x11vnc reads it once and deletes it. Raises `Problem` when none is stored."""
    password = read_secret(VNC_PASSWORD)
    if not password:
        raise Problem(f"{paths.SECRETS / VNC_PASSWORD} is missing: visomaster-start writes it")
    write_atomic(paths.X11VNC_PASSWORD, f"{password}\n".encode(), mode=0o600, owner=owner_of(users.DESKTOP))


def serves(host: Host) -> str:
    """x11vnc serves; on a public port it must demand the password. Raises `NotReady`."""
    security = rfb.PASSWORD if host.access == Access.VNC else rfb.NO_PASSWORD
    return rfb.handshake(("127.0.0.1", host.vnc_port or VNC_PORT), security)


SERVICE = Service(
    name="x11vnc",
    title="The screen (VNC)",
    launch=launch,
    screen=Screen.GUIDE,
    priority=30,
    log=paths.VNC_LOG,
    reads=(paths.VNC_BRAKE,),
    given_secret=Access.VNC,
    public=Access.VNC,
    needs=(X_SERVER,),
    checks=(Check(name="vnc", probe=serves),),
    links=(Link(name="VNCLogs", title="The screen (VNC)", path=f"/logs/{paths.VNC_LOG.name}", place=30),),
)
