"""Whether the program can keep what it makes: its folders are tried as its user, not judged by their modes.

A volume or a folder of the machine's may belong to somebody else, be mounted read-only, or have a list of its own of
who may. The desktop works all the same, and nothing could be saved.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from visomaster_host import beneath, paths, users
from visomaster_host.choices import ModelsAt
from visomaster_host.fetch_state import read_state
from visomaster_host.files import ROOT, Owner, owner_of, write_atomic
from visomaster_host.host import Host
from visomaster_host.mounts import all_mounts
from visomaster_host.problems import Warned

_ANSWERS_WITHIN = 10  # seconds; the file system of a network may hang
_TRY = r"""try=$1; shift; for folder; do [ "$try" "$folder" ] && [ -x "$folder" ] || printf '%s\0' "$folder"; done"""
_WRITE, _READ = "-w", "-r"  # of test(1), which asks the kernel
_MOST = 64 * 1024  # bytes


def kept_by_program(host: Host) -> str:
    """The program can write its folders. Raises `Warned` with those it cannot write, and what to do.

    Root tries it anew. Those who may not become the program's user, as the portal's pages, know what root found last.
    """
    found = look(host) if os.geteuid() in (0, owner_of(users.DESKTOP).uid) else _found_last()
    if found:
        raise Warned("; ".join(found.values()))
    return "the program can write where it saves"


def look(host: Host) -> dict[str, str]:
    """The folders of `host` that those cannot write who should, each with a line for a person; root notes them for
    others. Raises `Problem` where there is no such user."""
    user = owner_of(users.DESKTOP)
    found = {str(path): _told_of(path, users.DESKTOP, user) for path in _refused(_WRITE, _written(), user)}
    store = _store()
    found |= {str(path): _told_unreadable(path, user) for path in _refused(_READ, (store,), user) if _is_there(path)}
    if os.geteuid() != 0:
        return found
    fetched = host.models == ModelsAt.BUILD or read_state(paths.FETCH_STATE).get("status") == "done"
    if not fetched and _is_refused_to_us(store):
        found[str(store)] = _told_of(store, "root", ROOT)
    if found != _found_last():
        _note(found)
    return found


def _note(found: dict[str, str]) -> None:
    """Write down what was found. Where that cannot be, others know less, and who asks is answered all the same."""
    noted = [{"folder": folder, "told": told} for folder, told in found.items()]
    with contextlib.suppress(OSError):
        write_atomic(paths.UNWRITABLE, json.dumps(noted).encode(), mode=0o644, owner=ROOT)


def _store() -> Path:
    """Where the models are. Only root's own link is read: what lies behind it may be the user's to exchange."""
    try:
        return Path(os.readlink(paths.MODEL_STORE))
    except OSError:
        return paths.MODEL_STORE


def _is_there(path: Path) -> bool:
    try:
        return beneath.status(path) is not None
    except OSError:
        return False


def _written() -> tuple[Path, ...]:
    """Where the program's user is to write: its folders, and what is mounted in its workspace to be written."""
    inside = (mount.point for mount in all_mounts() if not mount.read_only and mount.point.is_dir())
    made = [path for path in (paths.INPUT, paths.OUTPUT, paths.KEPT) if _is_there(path)]
    mounted = (point for point in inside if paths.WORKSPACE in point.parents)
    return tuple(dict.fromkeys((*paths.OF_DESKTOP, *made, *mounted)))


def _found_last() -> dict[str, str]:
    """What root noted last."""
    try:
        return {str(each["folder"]): str(each["told"]) for each in json.loads(beneath.read(paths.UNWRITABLE, _MOST))}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _refused(attempt: str, folders: Sequence[Path], user: Owner) -> list[Path]:
    """Those of `folders` in which `user` can make no file, or read none; none where nobody can be asked."""
    import subprocess  # 3 ms of a start, which may not wait for a folder that hangs

    become = (
        {"user": user.uid, "group": user.gid, "extra_groups": os.getgrouplist(users.DESKTOP, user.gid)}
        if os.geteuid() == 0
        else {}
    )
    try:
        asked = subprocess.run(
            ["/bin/sh", "-c", _TRY, "folders", attempt, *map(str, folders)],
            env={"PATH": paths.SYSTEM_PATH},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_ANSWERS_WITHIN,
            check=True,
            **become,  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [Path(name) for name in asked.stdout.split("\0") if name]


def _is_refused_to_us(path: Path) -> bool:
    """Whether we can make no file in `path`; one that is not there is made by the fetch."""
    try:
        with beneath.Folder.open(path) as folder:
            return not os.access(".", os.W_OK, dir_fd=folder.descriptor)
    except OSError:
        return False


def _told_of(path: Path, name: str, user: Owner) -> str:
    """What is the matter with `path`, which `name` should write, and what to do."""
    try:
        with beneath.Folder.open(path) as folder:
            owner, flags = folder.owner, os.statvfs(folder.descriptor).f_flag
    except OSError as error:
        return f"{path}: {error.strerror}: {name} can save nothing there"
    whose = f"{owner.st_uid}:{owner.st_gid}"
    if flags & os.ST_RDONLY:
        return f"{path} (of {whose}) is mounted read-only, {name} can save nothing there: mount it with :rw"
    number = f"{user.uid}:{user.gid}"
    who = f"{name} ({number}) can save nothing there"
    return f"{path} belongs to {whose} (mode {owner.st_mode & 0o7777:o}), {who}: run chown {number} {path} as root"


def _told_unreadable(path: Path, user: Owner) -> str:
    """What is the matter with `path`, the models' folder, and what to do."""
    who = f"{users.DESKTOP} ({user.uid}:{user.gid})"
    return f"{path} lets {who} read nothing, so the program finds no models: run chmod a+rx {path} as root"
