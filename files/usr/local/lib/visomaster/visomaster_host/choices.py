"""The two choices that a variant is made of, and the port that the first of them fixes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from visomaster_host.enums import StrEnum


class Access(StrEnum):
    """How a person reaches the desktop."""

    VNC = "vnc"
    PORTAL = "portal"


class ModelsAt(StrEnum):
    """When models and assets are fetched."""

    BUILD = "build"
    START = "start"


PORT: Mapping[Access, int] = MappingProxyType({Access.VNC: 5901, Access.PORTAL: 11111})
"""The only public TCP port of each access, fixed by the guide; a host may be given another one."""

VNC_PORT, WEBSOCKET_PORT = 5900, 6080
"""Where x11vnc and websockify listen behind a portal, on loopback."""

INTERNAL_PORTS: Mapping[Access, tuple[int, ...]] = MappingProxyType(
    {Access.VNC: (), Access.PORTAL: (VNC_PORT, WEBSOCKET_PORT)}
)
"""The ports each access uses besides its public one."""
