"""A person's files: up and down through the portal."""

from __future__ import annotations

from visomaster_host import paths
from visomaster_host.choices import Access
from visomaster_host.host import Host
from visomaster_host.portal import probe
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Service


def launch(host: Host) -> Launch:
    """The service in the distribution's Python."""
    return Launch(
        argv=(str(paths.SYSTEM_PYTHON), "-s", "-m", "visomaster_host.serve_files"),
        variables={"PYTHONPATH": str(paths.PACKAGES)},
    )


SERVICE = Service(
    name="files",
    title="Files up and down",
    launch=launch,
    access=Access.PORTAL,
    priority=60,
    log=paths.PORTAL_LOGS / "files.log",
    reads=(paths.PACKAGE / "serve_files.py",),
    directory=ROOT_FOLDER,  # with -m, Python takes modules of the working directory before its own
    stopwaitsecs=0,  # what it has acknowledged is on the disk
    checks=(Check(name="files", probe=probe.files),),
)
