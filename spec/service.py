"""The services of a host as supervisord runs them: one typed table, in the order they start."""

from __future__ import annotations

from dataclasses import dataclass

from spec import paths
from spec.variant import Access, ModelsAt

LAUNCHER = f"{paths.LAUNCHERS}/visomaster-service"

_FLUXBOX = "etc/visomaster/fluxbox"
_PAGES = "usr/local/share/visomaster/portal"

STOP_WITHIN = 10
"""Seconds that `docker stop` gives; supervisord stops one service after another."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One supervisord program. Times in seconds; `stderr_logfile` None sends errors to the same log.

    `priority` orders starting and, backwards, stopping; waiting for one another is the services' own matter.
    `startretries` is about half an hour of trying, each pause a second longer; after that the service is
    FATAL. `reads` names folders below files/ that the service reads at its start, besides the on-host package, which
    all of them are; a service that is to go on whatever else is updated is `steady`: what it reads and the public port
    alone start it anew.
    """

    name: str
    priority: int
    stdout_logfile: str
    stderr_logfile: str | None = None
    startsecs: int = 1
    startretries: int = 60
    stopwaitsecs: int = 1
    autorestart: str = "true"
    autostart: bool = True
    reads: tuple[str, ...] = ()
    steady: bool = False

    @property
    def command(self) -> str:
        """What supervisord runs: it waits for what the service needs, then becomes its program."""
        return f"{LAUNCHER} {self.name}"


FRONT = Service(
    name="visomaster_front",  # the first one: until it holds the port, somebody else could take it
    priority=5,
    stdout_logfile=f"{paths.PORTAL_LOGS}/visomaster_front.log",
    stopwaitsecs=0,  # it has nothing to put in order
    reads=("usr/local/share/visomaster/front",),
    steady=True,
)
XVFB = Service(name="xvfb", priority=10, stdout_logfile=f"{paths.CORE_LOGS}/xvfb.log")
FLUXBOX = Service(name="fluxbox", priority=20, stdout_logfile=f"{paths.CORE_LOGS}/fluxbox.log", reads=(_FLUXBOX,))
X11VNC = Service(name="x11vnc", priority=30, stdout_logfile=f"{paths.PORTAL_LOGS}/x11vnc.log")
WEBSOCKIFY = Service(name="websockify", priority=40, stdout_logfile=f"{paths.PORTAL_LOGS}/websockify.log")
PORTAL = Service(name="portal", priority=45, stdout_logfile=f"{paths.PORTAL_LOGS}/portal.log", reads=(_PAGES,))
CADDY = Service(
    name="visomaster_caddy",  # vastai/base-image has a program `caddy` of its own
    priority=50,
    stdout_logfile=f"{paths.PORTAL_LOGS}/caddy.log",
    reads=(_PAGES,),
)
FETCH = Service(
    name="visomaster_fetch",
    priority=60,
    stdout_logfile=f"{paths.PORTAL_LOGS}/visomaster_fetch.log",
    startsecs=0,  # it may have nothing to do and end at once, which is a success
    autorestart="unexpected",  # that is, unless it ended with status 0
)
APPLICATION = Service(
    name="visomaster_app",
    priority=70,
    stdout_logfile=f"{paths.PORTAL_LOGS}/visomaster_app.log",
    stderr_logfile=f"{paths.PORTAL_LOGS}/visomaster_app_err.log",
    startsecs=15,  # it fails late, 4 to 10 seconds after its start
    stopwaitsecs=2,
)


def services_for(access: Access, models: ModelsAt) -> tuple[Service, ...]:
    """The services of a host with this access whose models arrive then, in the order they start."""
    front, portal = ((FRONT,), (WEBSOCKIFY, PORTAL, CADDY)) if access is Access.PORTAL else ((), ())
    fetch = (FETCH,) if models is ModelsAt.START else ()
    return (*front, XVFB, FLUXBOX, X11VNC, *portal, *fetch, APPLICATION)
