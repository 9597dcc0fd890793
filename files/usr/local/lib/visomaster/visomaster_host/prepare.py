"""What has to be there before supervisord runs: directories with their owners, secrets and settings, a new X
cookie.
"""

from __future__ import annotations

from pathlib import Path

from visomaster_host import environment, paths
from visomaster_host.environment import Environment
from visomaster_host.files import ensure_directory, owner_of
from visomaster_host.host import Host
from visomaster_host.problems import Problem
from visomaster_host.xauthority import write_cookie

USER = "visomaster"


def prepare(host: Host, checked: Environment) -> None:
    """Make `host` ready for its services, none of which runs. Safe to repeat. Raises `Problem`."""
    try:
        user = owner_of(USER)
    except KeyError:
        raise Problem(f"there is no user {USER!r}: the host has not been set up, run the deploy first") from None
    ensure_directory(paths.RUN, mode=0o755)
    make_log_directories()
    ensure_directory(paths.DESKTOP, mode=0o700, owner=user)
    environment.keep(checked, host)
    link_model_store(Path(checked.settings.models_dir or paths.MODELS))
    # Made by root first: an unprivileged Xvfb would make it with the wrong mode and then not listen.
    ensure_directory(paths.X11_SOCKETS, mode=0o1777)
    # Last: services that somebody else's supervisord has started already wait for this file.
    write_cookie(paths.XAUTHORITY, host.display_number, user)


def link_model_store(store: Path) -> None:
    """Let everybody find the models' folder, which MODELS_DIR may have moved."""
    paths.MODEL_STORE.unlink(missing_ok=True)
    paths.MODEL_STORE.symlink_to(store)


def make_log_directories() -> None:
    """The directories of the services' logs: supervisord refuses a configuration that names a missing one."""
    ensure_directory(paths.SUPERVISOR_LOGS, mode=0o755)
    ensure_directory(paths.PORTAL_LOGS, mode=0o755)
