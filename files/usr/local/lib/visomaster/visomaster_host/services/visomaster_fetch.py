"""The models of a host that fetches them when it starts."""

from __future__ import annotations

from pathlib import Path

from visomaster_host import needs, paths
from visomaster_host.choices import ModelsAt
from visomaster_host.host import Host
from visomaster_host.service import ROOT_FOLDER, Check, Launch, Service
from visomaster_host.variables import PROXIES


def launch(host: Host) -> Launch:
    """The fetcher with the host's manifest; it finds the store and mirrors that this start was given."""
    return Launch(argv=(str(paths.COMMANDS / "visomaster-fetch"), "--state", str(paths.FETCH_STATE)))


SERVICE = Service(
    name="visomaster_fetch",
    title="The models",
    launch=launch,
    models=ModelsAt.START,
    priority=60,
    log=paths.PORTAL_LOGS / "visomaster_fetch.log",
    reads=(paths.PACKAGE / "fetch/cli.py",),
    startsecs=0,  # it may have nothing to do and end at once, which is a success
    autorestart="unexpected",  # that is, unless it ended with status 0
    user="root",
    home=Path("/root"),
    directory=ROOT_FOLDER,
    inherits=("HF_TOKEN", *PROXIES),
    once=True,
    checks=(Check(name="models", probe=needs.models),),
)
