"""What has to be there before supervisord runs: directories with their owners, secrets and settings, a new X
cookie.
"""

from __future__ import annotations

import os
from pathlib import Path

from visomaster_host import (
    beneath,
    container,
    display,
    environment,
    folders,
    paths,
    prepared,
    reserve,
    stand_ins,
    users,
    volumes,
    work_folders,
)
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.environment import Environment
from visomaster_host.files import ROOT, Owner, ensure_directory, owner_of, write_atomic
from visomaster_host.host import Host
from visomaster_host.lease import instance
from visomaster_host.problems import going_on, say
from visomaster_host.refusals import refusal
from visomaster_host.xauthority import write_cookie

PROGRAM = "visomaster-start"

_COOKIE_MOST = 4096  # bytes; a record has some fifty


def prepare(host: Host, checked: Environment, *, new_cookie: bool = True) -> None:
    """Make `host` ready for its services. Safe to repeat. Raises `Problem`.

    `new_cookie`: none of its services runs yet. A running X server knows its old cookie alone, and what a running
    fetch has said of itself holds; otherwise both are begun anew.
    """
    user = owner_of(users.DESKTOP)
    ensure_directory(paths.RUN, mode=0o755)
    with going_on(PROGRAM, "what it keeps back is not used"):
        reserve.release()
    make_log_directories()
    ensure_directory(paths.DESKTOP, mode=0o700, owner=user)
    if container.begin_anew():
        say(f"{PROGRAM}: this is a copy of another container: password or token, sessions, certificate are made anew")
    environment.keep(checked, host)
    with going_on(PROGRAM, "the models' folder stays what it was"):
        link_model_store(Path(checked.settings.models_dir or paths.MODELS))
    with going_on(PROGRAM, "what is told of this machine's end stays"):
        _prepare_lease()
    if host.access == Access.PORTAL:
        _make_portal_directories()
    else:
        with going_on(PROGRAM, "what an earlier portal left stays"):
            _clear_portal()
    if host.models == ModelsAt.START and not checked.settings.models_dir:
        own_model_store()
    _prepare_workspace(host, user)
    with going_on(PROGRAM, "what is told of earlier runs stays"):
        _forget_runs(() if new_cookie else host.services)
    if new_cookie:
        with going_on(PROGRAM, "what an earlier fetch said of itself stays"):
            paths.FETCH_STATE.unlink(missing_ok=True)
    host = _prepare_display(host, user, begin=new_cookie)
    with going_on(PROGRAM, "a start on a full disk may fail"):
        reserve.hold()
    prepared.say_so(host)


def _prepare_lease() -> None:
    """Where nothing can end this machine, nothing is told of its end; Fluxbox reads a menu again that was there."""
    if instance.stored() is None:
        paths.LEASE_TOLD.unlink(missing_ok=True)
        paths.LEASE_MENU.unlink(missing_ok=True)
    if not paths.LEASE_MENU.exists():
        write_atomic(paths.LEASE_MENU, b"", mode=0o644, owner=ROOT)


def _prepare_workspace(host: Host, user: Owner) -> None:
    """What the program's user writes, and what of it they cannot write is told."""
    with going_on(PROGRAM, "what is on volumes of older images stays theirs"):
        for line in volumes.take_over(user):
            say(f"{PROGRAM}: {line}")
    with going_on(PROGRAM, f"without {paths.INPUT}, {paths.OUTPUT} and {paths.KEPT}"):
        for line in work_folders.make(user):
            say(f"{PROGRAM}: {line}")
    with going_on(PROGRAM, "what the program cannot write is not told"):
        for line in folders.look(host).values():
            say(f"{PROGRAM}: {line}")


def _prepare_display(host: Host, user: Owner, *, begin: bool) -> Host:
    """`host` with the display it has from now on: another one where somebody else has its own. `begin`: ours does not
    run yet.
    """
    # Made by root first: an unprivileged Xvfb would make it with the wrong mode and then not listen.
    with going_on(PROGRAM, "the display has a socket without a file instead"):
        ensure_directory(paths.X11_SOCKETS, mode=0o1777)
    if begin:
        host = display.choose(host)
    cookies = _who_sees_the_screen(host, user)
    if begin or beneath.status(paths.XAUTHORITY) is None:
        _begin_cookies(host, cookies)
    else:
        _hand_on_cookie(cookies)
    return host


def _begin_cookies(host: Host, files: dict[Path, Owner]) -> None:
    """A new cookie for `files`. Where it cannot be written the old one is as good to a new X server. Raises OSError
    where there is none.
    """
    try:
        write_cookie(host.display_number, files)
    except OSError as error:
        if beneath.status(paths.XAUTHORITY) is None:
            raise
        say(f"{PROGRAM}: {refusal(error)}; going on: with the cookie that is there")


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
        with going_on(PROGRAM, "the sessions are kept elsewhere"):
            shutil.rmtree(paths.SESSIONS)  # on a volume: another image's pages had another number
    user = owner_of(users.DESKTOP)
    ensure_directory(paths.FRONT, mode=0o710, owner=caddy)
    ensure_directory(paths.VNC, mode=0o710, owner=Owner(uid=user.uid, gid=pages.gid))
    for folder in (paths.STREAM, paths.FILES):
        ensure_directory(folder, mode=0o2710, owner=Owner(uid=user.uid, gid=caddy.gid))
    both = Owner(uid=pages.uid, gid=caddy.gid)
    ensure_directory(paths.PAGES, mode=0o710, owner=both)
    stand_ins.make(paths.SESSIONS, mode=0o710, owner=both)


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

    for place in (paths.PORTAL, paths.FRONT, paths.VNC, paths.STREAM, paths.FILES, paths.PAGES, paths.SESSIONS):
        if place.exists():
            shutil.rmtree(place)
    paths.PAGES_XAUTHORITY.unlink(missing_ok=True)
    paths.PORTAL_DESCRIPTION.unlink(missing_ok=True)


def link_model_store(store: Path) -> None:
    """Let everybody find the models' folder, which MODELS_DIR may have moved."""
    with beneath.Folder.open(paths.MODEL_STORE.parent) as folder:
        folder.link(paths.MODEL_STORE.name, str(store))


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
        say(f"{PROGRAM}: {refusal(error)}; the folder stays as it is")


def make_log_directories() -> None:
    """The directories of the services' logs: supervisord refuses a configuration that names a missing one. Raises
    OSError.
    """
    for folder in (paths.SUPERVISOR_LOGS, paths.PORTAL_LOGS):
        stand_ins.make(folder, mode=0o755)
