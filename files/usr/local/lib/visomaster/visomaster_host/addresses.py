"""Where this host is found from outside, as far as it can know."""

from __future__ import annotations

from visomaster_host.choices import Access
from visomaster_host.host import Host
from visomaster_host.settings import Settings, outside_port

UNKNOWN_ADDRESS = "ADDRESS-OF-THIS-HOST"


def address(host: Host, settings: Settings) -> str:
    """Where a VNC client or a browser finds the desktop. The address outside is known on Vast only."""
    found = settings.public_address or f"{UNKNOWN_ADDRESS}:{host.port}"
    if host.access == Access.VNC:
        return found
    return f"{'https' if settings.enable_https else 'http'}://{found}/"


def tls_address(host: Host, settings: Settings) -> str | None:
    """Where a browser finds the portal over TLS, whatever ENABLE_HTTPS says; None where that port is not published."""
    port = outside_port(host.tls_port, settings.outside_ports, settings.container_label)
    return f"https://{settings.public_address.rpartition(':')[0] or UNKNOWN_ADDRESS}:{port}/" if port else None
