"""The program itself."""

from __future__ import annotations

import os

from visomaster_host import display, folders, limits, paths, sound, users
from visomaster_host.files import owner_of, write_atomic
from visomaster_host.host import Host
from visomaster_host.kept import at_start
from visomaster_host.needs import MODELS, WINDOW_MANAGER, X_SERVER
from visomaster_host.problems import going_on
from visomaster_host.service import PROGRAM_CHECK, Check, Launch, Link, Service
from visomaster_host.variables import PROXIES

LOG = paths.PORTAL_LOGS / "visomaster_app.log"

_INHERITS = (
    *limits.VARIABLES,
    *PROXIES,
    *("CUDA_", "LC_", "LD_LIBRARY_PATH", "NVIDIA_", "ORT_", "PYTORCH_", "QT_", "TORCH_"),
)


def launch(host: Host) -> Launch:
    """The program in its environment's Python, with what it keeps in its place; the environment is first on PATH, the
    program's own tools follow.

    The number of this process, which becomes the program, is written down for the desktop's menu.
    """
    at_start.begin(host)
    with going_on("visomaster-service", "the desktop's menu cannot end the program"):
        write_atomic(paths.APPLICATION_PID, f"{os.getpid()}\n".encode(), mode=0o600, owner=owner_of(users.DESKTOP))
    return Launch(
        argv=("python", "main.py"),
        variables={
            **limits.variables(),
            **display.variables(host),
            **sound.variables(host),
            "PATH": f"{paths.CONDA_BIN}:{paths.DEPENDENCIES}:{paths.FFMPEG}:{paths.SYSTEM_PATH}",
            "PYTHONUNBUFFERED": "1",  # its log is followed live
            "XDG_RUNTIME_DIR": str(paths.DESKTOP),
        },
    )


SERVICE = Service(
    name="visomaster_app",
    title="The program",
    launch=launch,
    priority=70,
    log=LOG,
    error_log=paths.PORTAL_LOGS / "visomaster_app_err.log",
    startsecs=15,  # it fails late, 4 to 10 seconds after its start
    stopwaitsecs=2,
    holds_work=True,
    directory=paths.PROGRAM,
    needs=(X_SERVER, WINDOW_MANAGER, MODELS),
    inherits=_INHERITS,
    checks=(
        Check(name=PROGRAM_CHECK, probe=display.application_window, after="screen"),
        Check(name="folders", probe=folders.kept_by_program),
    ),
    links=(Link(name="AppLogs", title="The program's output", path=f"/logs/{LOG.name}", place=20),),
)
