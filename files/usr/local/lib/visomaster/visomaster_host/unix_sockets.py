"""Who listens on unix sockets, for those who may not connect to them."""

from __future__ import annotations

from pathlib import Path

from visomaster_host import paths

_LISTENS = 0x10000
"""`__SO_ACCEPTCON` among the flags in /proc/net/unix (Linux, net/unix/af_unix.c)."""


def is_listed(path: Path) -> bool:
    """Whether somebody in this network listens on a unix socket that was made at `path`."""
    listed = paths.UNIX_SOCKETS.read_text(encoding="utf-8", errors="replace")
    fields = (line.split(maxsplit=7) for line in listed.splitlines())
    return any(int(each[3], 16) & _LISTENS for each in fields if each[7:] == [str(path)])
