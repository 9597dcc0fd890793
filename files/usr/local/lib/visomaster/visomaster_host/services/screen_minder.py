"""What watches over keys and size of Xtigervnc's screen."""

from __future__ import annotations

from visomaster_host import display, paths, screen_size
from visomaster_host.choices import Screen
from visomaster_host.host import Host
from visomaster_host.needs import X_SERVER
from visomaster_host.service import ROOT_FOLDER, Launch, Service
from visomaster_host.settings import read_settings


def launch(host: Host) -> Launch:
    """The minder in the distribution's Python, which has python-xlib."""
    largest = screen_size.largest(read_settings())
    return Launch(
        argv=(str(paths.SYSTEM_PYTHON), "-s", "-m", "visomaster_host.screen_minder"),
        variables={**display.variables(host), "PYTHONPATH": str(paths.PACKAGES), "SCREEN_MAX": str(largest)},
    )


SERVICE = Service(
    name="screen_minder",
    title="The screen's size",
    launch=launch,
    screen=Screen.TIGERVNC,
    priority=15,
    log=paths.SUPERVISOR_LOGS / "screen_minder.log",
    reads=(paths.PACKAGE / "screen_minder.py",),
    directory=ROOT_FOLDER,  # with -m, Python takes modules of the working directory before its own
    needs=(X_SERVER,),
)
