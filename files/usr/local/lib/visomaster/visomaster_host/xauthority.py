"""The X server's cookie: without one every local user could attach to the display."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path

from visomaster_host.files import Owner, write_atomic

_WILD = 0xFFFF  # fits any address: a cookie bound to the host's name fails after a rename
_LOCAL = 0x0100  # this host, by its name: python-xlib (0.33) knows no other for a socket in the file system
_METHOD = b"MIT-MAGIC-COOKIE-1"


def records(display_number: str, cookie: bytes) -> bytes:
    """What an Xauthority file holds for the display: once for all, and once for programs that go by the host's name."""
    return _record(_WILD, b"", display_number, cookie) + _record(
        _LOCAL, os.uname().nodename.encode(), display_number, cookie
    )


def _record(family: int, address: bytes, display_number: str, cookie: bytes) -> bytes:
    """One record: family, address, display number, method, cookie (libXau's AuFileName(3) format)."""
    fields = (address, display_number.encode(), _METHOD, cookie)
    return struct.pack(">H", family) + b"".join(struct.pack(">H", len(part)) + part for part in fields)


def write_cookie(display_number: str, files: Mapping[Path, Owner]) -> None:
    """Write a new random cookie for the display to each of `files`, readable by its owner alone."""
    cookie = records(display_number, os.urandom(16))
    for path, owner in files.items():
        write_atomic(path, cookie, mode=0o600, owner=owner)
