"""The portal itself: Caddy, which asks for the token and serves everything behind it."""

from __future__ import annotations

from visomaster_host import beneath, paths, stand_ins, users
from visomaster_host.choices import Access
from visomaster_host.files import owner_of
from visomaster_host.host import Host
from visomaster_host.portal import probe
from visomaster_host.problems import say
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Link, Service
from visomaster_host.services import services_of


def launch(host: Host) -> Launch:
    """Caddy with what the portal's own code prepares for it; the token is in Caddy's environment alone."""
    # 17 ms that supervisord, which has this module loaded, would take before it starts the first service.
    from visomaster_host.portal import apply, config

    with beneath.Folder.open(paths.FRONT) as folder:
        for socket in (paths.CADDY_SOCKET, paths.CADDY_TLS_SOCKET):
            folder.remove(socket.name)  # of one that was killed
    places = apply.Places(
        caddy=owner_of(users.CADDY),
        port=host.port,
        tls_port=host.tls_port,
        screen=host.screen,
        sessions=stand_ins.actual(paths.SESSIONS),
    )
    prepared = apply.prepare(apply.stored(config.offered(services_of(host))), places)
    for notice in prepared.notices:
        say(f"visomaster-service: {notice}")
    return Launch(argv=prepared.command, variables=prepared.environment)


SERVICE = Service(
    name="visomaster_caddy",  # vastai/base-image has a program `caddy` of its own
    title="The portal (Caddy)",
    launch=launch,
    access=Access.PORTAL,
    priority=50,
    log=paths.CADDY_LOG,
    reads=(paths.PORTAL_SHARE, paths.SERVICES),  # of all services, for their links
    given_secret=Access.PORTAL,
    public=Access.PORTAL,
    user=users.CADDY,
    home=paths.FRONT,
    directory=ROOT_FOLDER,
    umask=0o007,
    checks=(Check(name="portal", probe=probe.caddy, after="port"),),
    links=(Link(name="CaddyLogs", title="The portal (Caddy)", path=f"/logs/{paths.CADDY_LOG.name}", place=40),),
)
