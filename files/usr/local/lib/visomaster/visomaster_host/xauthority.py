"""The X server's cookie: without one every local user could attach to the display."""

from __future__ import annotations

import os
import struct
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


def write_cookie(path: Path, display_number: str, owner: Owner) -> None:
    """Write a new random cookie for the display to `path`, readable by `owner` alone."""
    write_atomic(path, record(display_number, os.urandom(16)), mode=0o600, owner=owner)
