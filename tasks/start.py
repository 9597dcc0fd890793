"""The last step on a machine that runs: its services, and a desktop that is ready to be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.files import Directory
from pyinfra.facts.systemd import SystemdStatus
from pyinfra.operations import systemd
from visomaster_host import paths
from visomaster_host.choices import Access, ModelsAt, Screen, internal_ports
from visomaster_host.services import services_for

from operations import file, supervisor
from operations.facts.account import OtherUser
from operations.facts.neighbours import FoundNeighbours
from spec.here import local

PACKAGES_OWN = ("caddy.service", "haproxy.service")
"""What the portal's packages would start at boot."""

READY_WITHIN: Mapping[ModelsAt, int] = MappingProxyType({ModelsAt.BUILD: 180, ModelsAt.START: 3600})
"""Seconds until the desktop must be usable, on a slow box with a large program; a first start that fetches the models
takes as long as several gigabytes do."""


@deploy("Start")
def start(access: Access, models: ModelsAt, screen: Screen) -> None:
    """Services started, and waited for; on a machine with systemd they also come back after a reboot."""
    if has_systemd():
        _come_back(access)
    supervisor.started(
        name="Start the services",
        names=tuple(service.name for service in services_for(access, models, screen)),
        wait=READY_WITHIN[models],
    )


def require_root() -> None:
    """Raise `ValueError` where what is run on the host is not run as root."""
    user = host.get_fact(OtherUser)
    if user:
        raise ValueError(
            f"{user} is not root: log in as root, or run this with --sudo; what checks the host needs it too:"
            f" make verify HOST=paramiko://{user}@HOST:PORT?sudo=True"
        )


def refuse_neighbours(access: Access, models: ModelsAt, screen: Screen, ports: Sequence[int]) -> None:
    """Raise `ValueError` where others have taken what the services need on a machine that runs."""
    internal = internal_ports(access, screen)
    host.get_fact(FoundNeighbours, ports=(*ports, *internal)).refuse(
        public=ports,
        internal=internal,
        services=[service.name for service in services_for(access, models, screen)],
    )


def has_systemd() -> bool:
    """Whether systemd is what the host's services are started by at boot."""
    return bool(host.get_fact(Directory, path=str(paths.SYSTEMD)))


def _come_back(access: Access) -> None:
    """The start at boot, by systemd."""
    unit = paths.SYSTEMD_UNIT
    file.written(
        name="Describe the start at boot",
        text=local(unit).read_text(encoding="utf-8"),
        dest=str(unit),
        user="root",
        group="root",
        mode="644",
    )
    systemd.service(name="Start at boot", service=unit.name, running=None, enabled=True)
    # Caddy's would serve port 80 from the next boot on, HAProxy's would fail. One that runs now is somebody's.
    if access is Access.PORTAL:
        runs = host.get_fact(SystemdStatus, services=list(PACKAGES_OWN))
        for service in host.loop([name for name in PACKAGES_OWN if not runs.get(name)]):
            systemd.service(name=f"Keep {service} off", service=service, running=None, enabled=False)
