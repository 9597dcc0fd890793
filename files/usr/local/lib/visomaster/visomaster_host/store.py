"""The host's secrets: one root-only file each, kept over restarts, and of one container alone."""

from __future__ import annotations

from visomaster_host import container, paths
from visomaster_host.files import ROOT, ensure_directory, write_atomic
from visomaster_host.problems import Problem

VNC_PASSWORD = "vnc-password"
PORTAL_TOKEN = "portal-token"


def read_secret(name: str) -> str | None:
    """The secret stored under `name`, or None when there is none, or it is that of the container which this one is a
    copy of. Raises `Problem` unless run as root.
    """
    try:
        secret = (paths.SECRETS / name).read_text(encoding="utf-8").removesuffix("\n")
        return None if container.is_a_copy() else secret
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Problem(f"{paths.SECRETS / name} is readable by root only: run this as root") from None


def write_secret(name: str, value: str) -> None:
    """Store `value` under `name`, replacing an older one in a single step."""
    ensure_directory(paths.SECRETS, mode=0o700)
    if read_secret(name) != value:
        write_atomic(paths.SECRETS / name, f"{value}\n".encode(), mode=0o600, owner=ROOT)
