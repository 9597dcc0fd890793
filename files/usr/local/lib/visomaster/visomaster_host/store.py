"""The host's secrets: one root-only file each, kept over restarts, and of one container alone."""

from __future__ import annotations

from pathlib import Path

from visomaster_host import beneath, container, paths, stand_ins
from visomaster_host.files import ROOT, ensure_directory, write_atomic
from visomaster_host.problems import Problem, say
from visomaster_host.refusals import refusal

VNC_PASSWORD = "vnc-password"
PORTAL_TOKEN = "portal-token"
INSTANCE = "instance"
"""The rented machine's own key, with the number of the instance that it is for."""


def read_secret(name: str) -> str | None:
    """The secret stored under `name`, or None when there is none, or it is that of the container which this one is a
    copy of. Raises `Problem` unless run as root."""
    for folder in (stand_ins.of(paths.SECRETS), paths.SECRETS):
        try:
            secret = (folder / name).read_text(encoding="utf-8").removesuffix("\n")
            return None if container.is_a_copy() else secret
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            raise Problem(f"{folder / name} is readable by root only: run this as root") from None
        except UnicodeDecodeError:
            raise Problem(f"{folder / name} is damaged: remove it, and the next start makes another") from None
    return None


def write_secret(name: str, value: str) -> None:
    """Store `value` under `name`, replacing an older one in a single step. Where that cannot be it is kept in the
    folder's stand-in, until /run is emptied. Raises OSError when it cannot be kept there either.
    """
    if read_secret(name) == value:
        return
    try:
        _put(paths.SECRETS, name, value)
    except OSError as error:
        try:
            _put(stand_ins.of(paths.SECRETS), name, value)
        except OSError:
            raise error from None
        say(f"visomaster-start: {refusal(error)}; going on: with the secret in {stand_ins.of(paths.SECRETS)} for now")
        return
    stand_ins.forget(paths.SECRETS)


def forget_secret(name: str) -> None:
    """Remove what is stored under `name`. Raises OSError."""
    for folder in (stand_ins.of(paths.SECRETS), paths.SECRETS):
        if beneath.status(folder / name) is not None:
            with beneath.Folder.open(folder) as opened:
                opened.remove(name)


def _put(folder: Path, name: str, value: str) -> None:
    ensure_directory(folder, mode=0o700)
    write_atomic(folder / name, f"{value}\n".encode(), mode=0o600, owner=ROOT)
