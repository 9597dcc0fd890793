"""The X server's cookie: without one every local user could attach to the display."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path

from visomaster_host.files import Owner, write_atomic

_FAMILY_WILD = 0xFFFF  # fits any address: a cookie bound to the host's name fails after a rename
_METHOD = b"MIT-MAGIC-COOKIE-1"


def record(display_number: str, cookie: bytes) -> bytes:
    """One record of an Xauthority file: family, address, display number, method, cookie (libXau's
    AuFileName(3) format).
    """
    fields = (b"", display_number.encode(), _METHOD, cookie)
    return struct.pack(">H", _FAMILY_WILD) + b"".join(struct.pack(">H", len(part)) + part for part in fields)


def write_cookie(display_number: str, files: Mapping[Path, Owner]) -> None:
    """Write a new random cookie for the display to each of `files`, readable by its owner alone."""
    cookie = record(display_number, os.urandom(16))
    for path, owner in files.items():
        write_atomic(path, cookie, mode=0o600, owner=owner)
