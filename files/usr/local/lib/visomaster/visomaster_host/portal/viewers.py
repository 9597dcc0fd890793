"""Who is at the desktop's stream: what the page asks before it takes the desktop from somebody.

The kernel tells it, so it is right whichever browser came, and after one that was cut off: Selkies itself hands the
desktop to the last who came, and asks nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from visomaster_host import unix_sockets

_MOST = 64
"""Connections that are told of: more than one are a crowd already."""


class Viewers(TypedDict):
    """Whether somebody listens on the socket, and the connections that it has, each by its number of this boot."""

    listening: bool
    viewers: list[str]


def viewers(socket: Path) -> Viewers:
    """Who is connected to `socket`.

    A kernel that tells nothing (a sandbox's) has nobody connected, and a listener: the page then asks nobody, and finds
    out by itself. Raises nothing.
    """
    try:
        return {
            "listening": unix_sockets.is_listed(socket),
            "viewers": unix_sockets.connections(socket)[:_MOST],
        }
    except OSError:
        return {"listening": True, "viewers": []}
