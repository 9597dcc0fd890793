"""Which container this is. What was made for one (a password, a token, sessions, a key) is not to open a copy of it.

`docker commit` of a container that runs copies its files, and with them what was generated in it. An image of ours
keeps that on volumes of the container's own, which are in no copy. A rented box that was set up over SSH has none:
there it is noted of which container it is, and a copy begins anew.
"""

from __future__ import annotations

import contextlib
import re
import socket

from visomaster_host import beneath, paths, stand_ins
from visomaster_host.files import ROOT, ensure_directory, write_atomic
from visomaster_host.mounts import all_mounts, mount_of
from visomaster_host.problems import Problem, going_on

_ID = re.compile(r"[0-9a-f]{64}")
_OF_ENGINES = tuple(paths.ROOT_ETC / name for name in ("hostname", "hosts", "resolv.conf"))
"""Files that engines put into each container, from a folder that is called as the container is."""
_UPPER = "upperdir="
_VOLUME, _MACHINE = "volume", "machine"
_MOST = 4096  # bytes


def identity() -> str:
    """What tells this container from a copy of it, the same over restarts and reboots; "machine" where this is none."""
    mounts, top = all_mounts(), mount_of(paths.TOP)
    ids = [found[0] for mount in mounts if mount.point in _OF_ENGINES and (found := _ID.search(mount.root))]
    if ids:
        return ids[0]
    upper = [option for option in (top.options if top is not None else ()) if option.startswith(_UPPER)]
    if upper or any(mark.exists() for mark in paths.ENGINE_MARKS):
        return " ".join([socket.gethostname(), *upper])
    return _MACHINE


def _whose() -> str:
    """Whose it is what is generated here: this container's; where its folder is mounted, that volume's, which is in no
    copy, and is kept because somebody wants to."""
    where = mount_of(paths.STATE)
    return identity() if where is None or where.point == paths.TOP else _VOLUME


def is_a_copy() -> bool:
    """Whether what was generated here is of another container than this one."""
    noted = _noted()
    return noted is not None and noted != _whose()


def begin_anew() -> bool:
    """Note which container this is. In a copy of another one, forget what was generated there before, and say so by
    the result. Raises OSError."""
    mine, copy = _whose(), is_a_copy()
    if copy:
        import shutil  # 2 ms that every start of a container but a copy's first one would wait for

        made = (paths.SECRETS, paths.SESSIONS, paths.CERTIFICATES, paths.PORTAL)
        for folder in (*made, *map(stand_ins.of, made)):
            if beneath.status(folder) is not None:
                shutil.rmtree(folder)
    if _noted() != mine:
        unnoted = going_on("visomaster-start", "a copy of this container is not told from it")
        with contextlib.nullcontext() if copy else unnoted:
            ensure_directory(paths.STATE, mode=0o755)
            write_atomic(paths.CONTAINER, f"{mine}\n".encode("utf-8", "surrogateescape"), mode=0o600, owner=ROOT)
    return copy


def _noted() -> str | None:
    """Whose it is by what is noted; None where nothing is: an earlier start than ours has made it. Raises `Problem`
    unless run as root."""
    try:
        return beneath.read(paths.CONTAINER, _MOST).decode("utf-8", "surrogateescape").removesuffix("\n")
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Problem(f"{paths.CONTAINER} is readable by root only: run this as root") from None
