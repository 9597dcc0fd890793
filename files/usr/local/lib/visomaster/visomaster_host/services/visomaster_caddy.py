"""The portal itself: Caddy, which asks for the token and serves everything behind it."""

from __future__ import annotations

from collections.abc import Iterable

from visomaster_host import beneath, paths, users
from visomaster_host.choices import Access
from visomaster_host.files import owner_of
from visomaster_host.host import Host
from visomaster_host.portal import apply, probe
from visomaster_host.portal.config import OwnPage, PortalConfig
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Link, Service
from visomaster_host.services import services_of
from visomaster_host.text import printable


def launch(host: Host) -> Launch:
    """Caddy with what the portal's own code prepares for it; the token is in Caddy's environment alone."""
    with beneath.Folder.open(paths.FRONT) as folder:
        folder.remove(paths.CADDY_SOCKET.name)  # of one that was killed
    places = apply.Places(caddy=owner_of(users.CADDY), port=host.port)
    prepared = apply.prepare(apply.stored(offered(services_of(host))), places)
    for notice in prepared.notices:
        print(printable(f"visomaster-service: {notice}"), flush=True)
    return Launch(argv=prepared.command, variables=prepared.environment)


def offered(services: Iterable[Service]) -> PortalConfig:
    """What the portal of a host with these services offers when PORTAL_CONFIG says nothing: their links."""
    links = sorted((link for service in services for link in service.links), key=lambda link: link.place)
    return PortalConfig(services=tuple(OwnPage(name=link.name, path=link.path) for link in links))


SERVICE = Service(
    name="visomaster_caddy",  # vastai/base-image has a program `caddy` of its own
    launch=launch,
    access=Access.PORTAL,
    priority=50,
    log=paths.CADDY_LOG,
    reads=(paths.PORTAL_SHARE,),
    given_secret=Access.PORTAL,
    user=users.CADDY,
    home=paths.FRONT,
    directory=ROOT_FOLDER,
    umask=0o007,
    checks=(Check(name="portal", probe=probe.caddy, after="port"),),
    links=(Link(name="CaddyLogs", path=f"/logs/{paths.CADDY_LOG.name}", place=40),),
)
