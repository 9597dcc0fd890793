"""What has to be there before supervisord runs: directories with their owners, secrets and settings, a new X
cookie.
"""

from __future__ import annotations

import os
from pathlib import Path

from visomaster_host import beneath, container, environment, folders, paths, prepared, users, volumes
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.environment import Environment
from visomaster_host.files import Owner, ensure_directory, owner_of, write_atomic
from visomaster_host.host import Host
from visomaster_host.text import printable
from visomaster_host.xauthority import write_cookie

_COOKIE_MOST = 4096  # bytes; a record has some fifty


def prepare(host: Host, checked: Environment, *, new_cookie: bool = True) -> None:
    """Make `host` ready for its services. Safe to repeat. Raises `Problem`.

    `new_cookie`: none of its services runs yet. A running X server knows its old cookie alone, and what a running
    fetch has said of itself holds; otherwise both are begun anew.
    """
    user = owner_of(users.DESKTOP)
    ensure_directory(paths.RUN, mode=0o755)
    make_log_directories()
    ensure_directory(paths.DESKTOP, mode=0o700, owner=user)
    if container.begin_anew():
        _say("this is a copy of another container: password or token, sessions and certificate are made anew")
    environment.keep(checked, host)
    link_model_store(Path(checked.settings.models_dir or paths.MODELS))
    if host.access == Access.PORTAL:
        _make_portal_directories()
    if host.models == ModelsAt.START and not checked.settings.models_dir:
        own_model_store()
    for line in (*volumes.take_over(user), *folders.look(host).values()):
        _say(line)
    # Made by root first: an unprivileged Xvfb would make it with the wrong mode and then not listen.
    ensure_directory(paths.X11_SOCKETS, mode=0o1777)
    if host.access != Access.PORTAL:
        _clear_portal()
    if new_cookie:
        paths.FETCH_STATE.unlink(missing_ok=True)
    _forget_runs(() if new_cookie else host.services)
    cookies = _who_sees_the_screen(host, user)
    if new_cookie or beneath.status(paths.XAUTHORITY) is None:
        write_cookie(host.display_number, cookies)
    else:
        _hand_on_cookie(cookies)
    prepared.say_so(host)


def _forget_runs(kept: tuple[str, ...]) -> None:
    """Let nothing be told of runs before a restart of the machine, and of services that the host has no more, but of
    those that are `kept`.
    """
    for name in os.listdir(paths.RUNS) if paths.RUNS.exists() else ():
        if name.removesuffix(".json") not in kept:
            (paths.RUNS / name).unlink(missing_ok=True)


def _make_portal_directories() -> None:
    """Where the portal's parts meet, each a folder of the one that listens or writes there, and of Caddy's group."""
    import shutil  # 2 ms that every start but one on another image's volume would wait for

    caddy, pages = owner_of(users.CADDY), owner_of(users.PAGES)
    before = beneath.status(paths.SESSIONS)
    if before is not None and before.st_uid != pages.uid:
        shutil.rmtree(paths.SESSIONS)  # on a volume: another image's pages had another number
    ensure_directory(paths.FRONT, mode=0o710, owner=caddy)
    for folder in (paths.PAGES, paths.SESSIONS):
        ensure_directory(folder, mode=0o710, owner=Owner(uid=pages.uid, gid=caddy.gid))


def _who_sees_the_screen(host: Host, user: Owner) -> dict[Path, Owner]:
    """The files for the X server's cookie, and whose they are."""
    pages = {paths.PAGES_XAUTHORITY: owner_of(users.PAGES)} if host.access == Access.PORTAL else {}
    return {paths.XAUTHORITY: user, **pages}


def _hand_on_cookie(files: dict[Path, Owner]) -> None:
    """Give the running X server's cookie to those of `files` that are not there: an older start made fewer."""
    for path, owner in files.items():
        if beneath.status(path) is None:
            write_atomic(path, beneath.read(paths.XAUTHORITY, _COOKIE_MOST), mode=0o600, owner=owner)


def _clear_portal() -> None:
    """Remove what a portal left that is not part of the host any more: its services, its copy of a TLS key."""
    import shutil  # 2 ms that every start but one after another variant would wait for

    for place in (paths.PORTAL, paths.FRONT, paths.PAGES, paths.SESSIONS):
        if place.exists():
            shutil.rmtree(place)
    paths.PAGES_XAUTHORITY.unlink(missing_ok=True)
    paths.PORTAL_DESCRIPTION.unlink(missing_ok=True)


def link_model_store(store: Path) -> None:
    """Let everybody find the models' folder, which MODELS_DIR may have moved."""
    paths.MODEL_STORE.unlink(missing_ok=True)
    paths.MODEL_STORE.symlink_to(store)


def own_model_store() -> None:
    """Have the usual folder for models be root's, who fetches them: what is in it is then known to be what was proven.

    A volume may come from a host where it was the program's user's. One that cannot be changed is used as it is.
    """
    status = beneath.status(paths.MODELS)
    if status is not None and beneath.is_only_roots(status):
        return
    try:
        ensure_directory(paths.MODELS, mode=0o755)
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}; the folder stays as it is")


def make_log_directories() -> None:
    """The directories of the services' logs: supervisord refuses a configuration that names a missing one."""
    ensure_directory(paths.SUPERVISOR_LOGS, mode=0o755)
    ensure_directory(paths.PORTAL_LOGS, mode=0o755)


def _say(line: str) -> None:
    print(printable(f"visomaster-start: {line}"), flush=True)
