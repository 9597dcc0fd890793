"""Who listens on unix sockets, and who is connected to them, for those who may not connect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from visomaster_host import paths

_LISTENS = 0x10000
"""`__SO_ACCEPTCON` among the flags in /proc/net/unix (Linux, net/unix/af_unix.c)."""
_CONNECTED = "03"
"""The state of a socket with another at its end: SS_CONNECTED in the kernel's net.h."""
_NOT_TAKEN = "0"
"""The number of one that its listener has not accepted yet."""


def is_listed(path: Path) -> bool:
    """Whether somebody in this network listens on a unix socket that was made at `path`. Raises OSError where the
    kernel does not tell.
    """
    return any(int(flags, 16) & _LISTENS for flags, _, _ in _at(path))


def connections(path: Path) -> list[str]:
    """The connections to the unix socket that was made at `path`, each by its number of this boot. Raises OSError where
    the kernel does not tell.
    """
    return sorted(number for _, state, number in _at(path) if state == _CONNECTED and number != _NOT_TAKEN)


def _at(path: Path) -> Iterator[tuple[str, str, str]]:
    """Flags, state and number of every socket with this name; see proc(5)."""
    for line in paths.UNIX_SOCKETS.read_text(encoding="utf-8", errors="replace").splitlines():
        # Num, RefCount, Protocol, Flags, Type, St, Inode, Path; the last one may hold spaces, or be none.
        if (fields := line.split(maxsplit=7))[7:] == [str(path)]:
            yield fields[3], fields[5], fields[6]
