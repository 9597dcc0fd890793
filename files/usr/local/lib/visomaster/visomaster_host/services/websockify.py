"""What carries VNC to the browser: a websocket before the VNC server."""

from __future__ import annotations

from visomaster_host import paths
from visomaster_host.choices import WEBSOCKET_PORT, Access
from visomaster_host.host import Host
from visomaster_host.portal import probe
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Link, Service


def launch(host: Host) -> Launch:
    """websockify between the portal and the VNC server; its module comes without numpy."""
    listen = f"127.0.0.1:{WEBSOCKET_PORT}"
    target = f"127.0.0.1:{host.vnc_port}" if host.vnc_port else f"--unix-target={paths.VNC_SOCKET}"
    return Launch(
        argv=(str(paths.SYSTEM_PYTHON), "-m", "visomaster_host.websockify", listen, target),
        variables={"PYTHONPATH": f"{paths.PACKAGES}:{paths.WEBSOCKIFY}"},
    )


SERVICE = Service(
    name="websockify",
    title="The connection (websockify)",
    launch=launch,
    access=Access.PORTAL,
    priority=40,
    log=paths.PORTAL_LOGS / "websockify.log",
    reads=(paths.PACKAGE / "websockify.py",),
    directory=ROOT_FOLDER,  # with -m, Python takes modules of the working directory before its own
    checks=(Check(name="connection", probe=probe.websocket),),
    links=(Link(name="VNC", title="The desktop (noVNC)", path="/vnc/", place=10),),
)
