"""The public port of the VNC server: how many visitors there may be, and when they are gone."""

from __future__ import annotations

from visomaster_host import paths, users, vnc_access
from visomaster_host.choices import VNC_PORT, Access, Screen
from visomaster_host.files import owner_of
from visomaster_host.host import Host
from visomaster_host.portal import front
from visomaster_host.service import ROOT_FOLDER, Launch, Service


def launch(host: Host) -> Launch:
    """The gate on the public port, whose socket it inherits.

    With another password it starts anew, and all viewers log in again. Xtigervnc, with which the program would end,
    reads the password at every login.
    """
    vnc_access.hand_over_password()
    owner = owner_of(users.DESKTOP)
    if (holder := front.reserve_ipv6(host.port, owner)) is not None:
        holder.detach()  # open as long as the process that this one becomes
    listener = front.listen(host.port, owner).detach()
    module = ("-m", "visomaster_host.vnc_gate")
    return Launch(
        argv=(str(paths.SYSTEM_PYTHON), *module, str(listener), str(VNC_PORT)),
        variables={"PYTHONPATH": str(paths.PACKAGES)},
    )


SERVICE = Service(
    name="vnc_gate",
    title="The guard of the VNC port",
    launch=launch,
    access=Access.VNC,
    screen=Screen.TIGERVNC,
    priority=5,  # the first one: until it holds the port, somebody else could take it
    log=paths.PORTAL_LOGS / "vnc_gate.log",
    stopwaitsecs=0,  # it has nothing to put in order
    reads=(paths.PACKAGE / "vnc_gate.py",),
    steady=True,
    given_secret=Access.VNC,
    public=Access.VNC,
    directory=ROOT_FOLDER,  # with -m, Python takes modules of the working directory before its own
)
