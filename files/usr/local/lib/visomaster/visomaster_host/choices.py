"""The choices that a host is made of, and the ports that they fix."""

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


class Screen(StrEnum):
    """What shows the desktop: Xtigervnc, X server and VNC server in one, or Xvfb and x11vnc as the guide has them."""

    TIGERVNC = "tigervnc"
    GUIDE = "guide"


PORT: Mapping[Access, int] = MappingProxyType({Access.VNC: 5901, Access.PORTAL: 11111})
"""The public TCP port of each access, fixed by the guide; a host may be given another one."""

TLS_PORT = 11443
"""The public TCP port on which a portal always speaks TLS; a host may be given another one."""

VNC_PORT, WEBSOCKET_PORT = 5900, 6080
"""Where the VNC server, behind the gate of its public port or behind a portal, and websockify listen, on loopback.
Xtigervnc listens on a unix socket behind a portal."""

STREAM_PATH = "/desktop"
"""Where the portal has Selkies' page, and below it what that asks for: its web socket is at `/api/websockets`."""


def internal_ports(access: Access, screen: Screen) -> tuple[int, ...]:
    """The ports that a host uses besides its public ones, on loopback."""
    if access == Access.VNC:
        return (VNC_PORT,) if screen == Screen.TIGERVNC else ()
    return (WEBSOCKET_PORT,) if screen == Screen.TIGERVNC else (VNC_PORT, WEBSOCKET_PORT)
