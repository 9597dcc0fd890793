"""The X server's cookie: without one every local user could attach to the display."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path

from visomaster_host.files import Owner, write_atomic

_FAMILY_WILD = 0xFFFF  # fits any address: a cookie bound to the host's name fails after a rename
_FAMILY_LOCAL = 256  # with the host's name: python-xlib knows no other
_METHOD = b"MIT-MAGIC-COOKIE-1"


def record(display_number: str, cookie: bytes, host_name: str = "") -> bytes:
    """One record of an Xauthority file: family, address, display number, method, cookie (libXau's
    AuFileName(3) format). Without a `host_name` it is for any host.
    """
    family = _FAMILY_LOCAL if host_name else _FAMILY_WILD
    fields = (os.fsencode(host_name), display_number.encode(), _METHOD, cookie)
    return struct.pack(">H", family) + b"".join(struct.pack(">H", len(part)) + part for part in fields)


def write_cookie(display_number: str, files: Mapping[Path, Owner]) -> None:
    """Write a new random cookie for the display to each of `files`, readable by its owner alone."""
    cookie = os.urandom(16)
    records = record(display_number, cookie, os.uname().nodename) + record(display_number, cookie)
    for path, owner in files.items():
        write_atomic(path, records, mode=0o600, owner=owner)
