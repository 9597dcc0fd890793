"""The public port of a portal: HAProxy, which hands over a connection once a whole request head is there."""

from __future__ import annotations

from visomaster_host import paths, users
from visomaster_host.choices import Access
from visomaster_host.files import owner_of
from visomaster_host.host import Host
from visomaster_host.portal import front
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Service


def launch(host: Host) -> Launch:
    """HAProxy on the public port, whose socket it inherits."""
    owner = owner_of(users.FRONT)
    if (holder := front.reserve_ipv6(host.port, owner)) is not None:
        holder.detach()  # open as long as the process that this one becomes
    listener = front.listen(host.port, owner).detach()
    argv = front.command("haproxy", paths.FRONT_CONFIGURATION)
    return Launch(argv=argv, variables=front.variables(listener, paths.CADDY_SOCKET))


def holds_port(host: Host) -> str:
    """The public port is held by the host's own front. Raises `NotReady`."""
    return front.held_by(host.port, owner_of(users.FRONT))


SERVICE = Service(
    name="visomaster_front",
    launch=launch,
    access=Access.PORTAL,
    priority=5,  # the first one: until it holds the port, somebody else could take it
    log=paths.PORTAL_LOGS / "visomaster_front.log",
    stopwaitsecs=0,  # it has nothing to put in order
    reads=(paths.FRONT_SHARE,),
    steady=True,
    public=Access.PORTAL,
    user=users.FRONT,
    home=ROOT_FOLDER,
    directory=ROOT_FOLDER,
    groups=(users.CADDY,),  # it may open Caddy's socket, and nothing else of Caddy's
    checks=(Check(name="port", probe=holds_port, place=45),),
)
