"""The window manager."""

from __future__ import annotations

from visomaster_host import display, paths
from visomaster_host.host import Host
from visomaster_host.needs import X_SERVER
from visomaster_host.service import Check, Launch, Service


def launch(host: Host) -> Launch:
    """Fluxbox with the host's configuration instead of the user's."""
    return Launch(argv=("fluxbox", "-rc", str(paths.FLUXBOX / "init")), variables=display.variables(host))


SERVICE = Service(
    name="fluxbox",
    launch=launch,
    priority=20,
    log=paths.SUPERVISOR_LOGS / "fluxbox.log",
    reads=(paths.FLUXBOX,),
    needs=(X_SERVER,),
    checks=(Check(name="window manager", probe=display.window_manager, after="x"),),
)
