"""The public ports of a portal: HAProxy, which hands over a connection once a whole request head is there."""

from __future__ import annotations

from visomaster_host import paths, users
from visomaster_host.choices import Access
from visomaster_host.files import Owner, owner_of
from visomaster_host.host import Host
from visomaster_host.portal import front
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Service


def launch(host: Host) -> Launch:
    """HAProxy on the public ports, whose sockets it inherits."""
    owner = owner_of(users.FRONT)
    plain, secure = (_listener(port, owner) for port in (host.port, host.tls_port))
    argv = front.command("haproxy", paths.FRONT_CONFIGURATION)
    return Launch(argv=argv, variables=front.variables((plain, secure), (paths.CADDY_SOCKET, paths.CADDY_TLS_SOCKET)))


def _listener(port: int, owner: Owner) -> int:
    """The descriptor of a socket on `port`, which no other user gets on IPv6 either. Raises `Problem`."""
    if (holder := front.reserve_ipv6(port, owner)) is not None:
        holder.detach()  # open as long as the process that this one becomes
    return front.listen(port, owner).detach()


def holds_ports(host: Host) -> str:
    """The public ports are held by the host's own front. Raises `NotReady`."""
    owner = owner_of(users.FRONT)
    return ", ".join(front.held_by(port, owner) for port in host.public_ports)


SERVICE = Service(
    name="visomaster_front",
    title="The public port (HAProxy)",
    launch=launch,
    access=Access.PORTAL,
    priority=5,  # the first one: until it holds the ports, somebody else could take them
    log=paths.PORTAL_LOGS / "visomaster_front.log",
    stopwaitsecs=0,  # it has nothing to put in order
    reads=(paths.FRONT_SHARE,),
    steady=True,
    public=Access.PORTAL,
    user=users.FRONT,
    home=ROOT_FOLDER,
    directory=ROOT_FOLDER,
    groups=(users.CADDY,),  # it may open Caddy's socket, and nothing else of Caddy's
    checks=(Check(name="port", probe=holds_ports, place=45),),
)
