"""Who is at the desktop's stream: what the page asks before it takes the desktop from somebody.

The kernel tells it, so it is right whichever browser came, and after one that was cut off: Selkies itself hands the
desktop to the last who came, and asks nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from visomaster_host import paths

_LISTENS = 0x10000  # of a socket's flags: __SO_ACCEPTCON in the kernel's net.h
_CONNECTED = "03"
_MOST = 64
"""Connections that are told of: more than one are a crowd already."""


class Viewers(TypedDict):
    """Whether somebody listens on the socket, and the connections that it has, each by its number of this boot."""

    listening: bool
    viewers: list[str]


def viewers(socket: Path = paths.STREAM_SOCKET, sockets: Path = paths.UNIX_SOCKETS) -> Viewers:
    """Who is connected to `socket`, of those in `sockets`, a table as proc(5) has it.

    A kernel that tells nothing (a sandbox's) has nobody connected, and a listener: the page then asks nobody, and finds
    out by itself. Raises nothing.
    """
    try:
        lines = sockets.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {"listening": True, "viewers": []}
    # Num, RefCount, Protocol, Flags, Type, St, Inode, Path; the last one may hold spaces, or be none.
    rows = [row for line in lines[1:] if len(row := line.split(maxsplit=7)) == 8 and row[7] == str(socket)]
    connected = [row[6] for row in rows if row[5] == _CONNECTED and row[6] not in ("", "0")]  # 0: nobody took it yet
    return {"listening": any(int(row[3], 16) & _LISTENS for row in rows), "viewers": sorted(connected)[:_MOST]}
