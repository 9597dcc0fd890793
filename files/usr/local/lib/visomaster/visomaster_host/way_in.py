"""What a container says of itself once it can be used: the box at the end of its log."""

from __future__ import annotations

import re
import socket

from visomaster_host.addresses import address, tls_address
from visomaster_host.host import Host
from visomaster_host.settings import Settings
from visomaster_host.summary import RENTED, Summary, local_address, opened, tunnel

READY = "The desktop is ready"
"""The title of the box on every way to a desktop."""

CREDENTIALS = "visomaster-credentials"
"""The command that tells the password or token: none of them is in a log."""

UNKNOWN_SSH = "ssh -p PORT USER@HOST"
"""How a machine is reached where nobody here can know it."""

_BY_ENGINE = re.compile(r"[0-9a-f]{12}")


def summary(host: Host, settings: Settings) -> Summary:
    """The box of this container, of which only the engine knows how it is reached where `settings` do not say it."""
    return _on_vast(host, settings) if settings.container_label else _by_engine(host, settings, _container())


def _container() -> str:
    """What the engine calls this container: its hostname, unless somebody has given it one."""
    name = socket.gethostname()
    return name if _BY_ENGINE.fullmatch(name) else "CONTAINER"


def _by_engine(host: Host, settings: Settings, name: str) -> Summary:
    if settings.public_address:
        secure = tls_address(host, settings)
        where = (opened(host.access, address(host, settings)), *((secure,) if secure else ()))
    else:
        here = opened(host.access, local_address(host.access, host.port, secure=settings.enable_https))
        where = (
            f"{here} where the container was started with -p {host.port}:{host.port}",
            f"from another machine first: {tunnel('ssh USER@HOST', host.port)}",
        )
    return Summary(
        title=READY,
        open=where,
        log_in=(f"docker exec {name} {CREDENTIALS}",),
        stop=(f"docker stop {name}: docker start {name} brings it back", RENTED),
        check=(f"docker exec {name} visomaster-ready", f"make verify HOST=docker://{name}"),
    )


def _on_vast(host: Host, settings: Settings) -> Summary:
    known = bool(settings.public_address)
    where = address(host, settings) if known else local_address(host.access, host.port, secure=settings.enable_https)
    first = () if known else (f"{tunnel(UNKNOWN_SSH, host.port)}, then",)
    return Summary(
        title=READY,
        open=(*first, opened(host.access, where)),
        log_in=(f"{CREDENTIALS} over SSH, as root",),
        stop=("destroy it in Vast's console, or: make end BOX=NUMBER", RENTED),
        check=("visomaster-ready over SSH", "make verify HOST=paramiko://root@HOST:PORT"),
    )
