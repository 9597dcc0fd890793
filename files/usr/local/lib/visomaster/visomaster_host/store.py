"""The host's secrets: one root-only file each, kept over restarts."""

from __future__ import annotations

from visomaster_host import paths
from visomaster_host.files import ROOT, ensure_directory, write_atomic
from visomaster_host.problems import Problem

VNC_PASSWORD = "vnc-password"
PORTAL_TOKEN = "portal-token"


def read_secret(name: str) -> str | None:
    """The secret stored under `name`, or None when there is none. Raises `Problem` unless run as root."""
    try:
        return (paths.SECRETS / name).read_text(encoding="utf-8").removesuffix("\n")
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Problem(f"{paths.SECRETS / name} is readable by root only: run this as root") from None


def write_secret(name: str, value: str) -> None:
    """Store `value` under `name`, replacing an older one in a single step."""
    ensure_directory(paths.SECRETS, mode=0o700)
    if read_secret(name) != value:
        write_atomic(paths.SECRETS / name, f"{value}\n".encode(), mode=0o600, owner=ROOT)
