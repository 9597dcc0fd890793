"""What ends a rented machine when it is not wanted any more; on others it has nothing to do."""

from __future__ import annotations

from visomaster_host import paths
from visomaster_host.host import Host
from visomaster_host.lease import instance
from visomaster_host.service import ROOT_FOLDER, Launch, Service
from visomaster_host.variables import REACHING


def launch(host: Host) -> Launch:
    """The keeper in the distribution's Python, which reads the machine's own key itself; without one, what ends at
    once, and well."""
    if instance.stored() is None:
        return Launch(argv=("true",))
    return Launch(
        argv=(str(paths.SYSTEM_PYTHON), "-s", "-m", "visomaster_host.lease.serve"),
        variables={"PYTHONPATH": str(paths.PACKAGES)},
    )


SERVICE = Service(
    name="lease",
    title="The lease of this box",
    launch=launch,
    priority=80,
    log=paths.SUPERVISOR_LOGS / "lease.log",
    reads=(paths.PACKAGE / "lease/serve.py",),
    startsecs=0,  # it may have nothing to do and end at once, which is a success
    stopwaitsecs=0,  # what it knows is in files
    autorestart="unexpected",  # that is, unless it ended with status 0
    user="root",
    home=ROOT_FOLDER,
    directory=ROOT_FOLDER,  # with -m, Python takes modules of the working directory before its own
    inherits=REACHING,
)
