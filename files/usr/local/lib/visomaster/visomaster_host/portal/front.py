"""The public ports: HAProxy in front of Caddy, on sockets that are made before root is given up.

A connection of Caddy's costs 30 kB from its first moment, and Caddy has no bound on their number: twenty thousand that
say nothing took 589 MB. HAProxy keeps those that have sent no whole request head, for some kilobytes each and ten
seconds. It holds no secret, so that nothing but an update ever makes it let go of a port: whoever runs programs here
cannot take it while Caddy starts anew, and ask visitors for the token.
"""

from __future__ import annotations

import os
import pwd
import resource
import socket
from pathlib import Path

from visomaster_host import paths
from visomaster_host.files import Owner
from visomaster_host.problems import NotReady, Problem
from visomaster_host.refusals import refusal

MOST = 25_000
"""Connections at one time; fewer where the limit of open files is lower."""
PATIENCE, LITTLE_PATIENCE = "10s", "3s"
"""How long a connection may take to send a request's head: less where fewer of them fit."""
DEAD_AFTER, PROBED_AFTER = "60s", "20s"
"""When a visitor's line counts as dead: what was sent has not been taken for so long; asked when nothing was sent. The
kernel's own answers are a quarter of an hour and two hours."""

_SPARE = 100  # descriptors for all else
_BACKLOG = 4096
_LISTENS = "0A"  # the state in /proc/net/tcp, see proc(5)
_TABLES = paths.TCP_CONNECTIONS


def command(program: str, configuration: Path) -> tuple[str, ...]:
    """HAProxy in the foreground, one process."""
    return (program, "-db", "-f", str(configuration))


def variables(listeners: tuple[int, int], caddy: tuple[Path, Path]) -> dict[str, str]:
    """What haproxy.cfg takes from the environment: its sockets, the one for TLS second, where Caddy listens for each,
    how many may come, when a line is dead. Raises the limit of open files where that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(hard, 2 * MOST + _SPARE)
    if files > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    most = min(MOST, files - _SPARE)
    return {
        "FRONT_SOCKET": str(listeners[0]),
        "FRONT_TLS_SOCKET": str(listeners[1]),
        "FRONT_CADDY": str(caddy[0]),
        "FRONT_CADDY_TLS": str(caddy[1]),
        "FRONT_CONNECTIONS": str(most),
        "FRONT_PATIENCE": PATIENCE if most == MOST else LITTLE_PATIENCE,
        "FRONT_DEAD_AFTER": DEAD_AFTER,
        "FRONT_PROBED_AFTER": PROBED_AFTER,
    }


def listen(port: int, owner: Owner, address: str = "0.0.0.0") -> socket.socket:  # noqa: S104 - a public port
    """A socket that listens on `port` and survives exec. Raises `Problem` when somebody else does.

    It belongs to `owner`, who is told by the kernel's table to everybody who asks whose port this is.
    """
    listener = _made_by(owner, socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        raise Problem(f"port {port}: {error.strerror}{_whose(port)}") from None
    listener.set_inheritable(True)
    return listener


def reserve_ipv6(port: int, owner: Owner) -> socket.socket | None:
    """Hold `port` of IPv6 without listening: a browser that asks for `localhost` tries that one first. None where there
    is no IPv6. Raises `Problem` when somebody else has it.
    """
    if not socket.has_ipv6:
        return None
    try:
        holder = _made_by(owner, socket.AF_INET6)
        holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    except OSError:  # switched off in the kernel
        return None
    try:
        holder.bind(("::", port))
    except OSError as error:
        raise Problem(f"port {port} of IPv6: {error.strerror}{_whose(port)}") from None
    holder.set_inheritable(True)
    return holder


def held_by(port: int, owner: Owner) -> str:
    """That whoever listens on `port` is `owner`. Raises `NotReady`, which says who else: it could ask for tokens."""
    found = listeners(port)
    if not found:
        raise NotReady(f"nobody listens on port {port}")
    if strangers := sorted(found - {owner.uid}):
        raise NotReady(
            f"port {port} is held by user {_name(strangers[0])}, not by this host: do not type the token there"
        )
    return f"port {port} is ours"


def listeners(port: int) -> set[int]:
    """The users, by number, whose sockets listen on TCP `port` of any address."""
    lines = [line.split() for table in _TABLES if table.exists() for line in table.read_text().splitlines()[1:]]
    return {int(line[7]) for line in lines if line[3] == _LISTENS and int(line[1].rpartition(":")[2], 16) == port}


def _whose(port: int) -> str:
    """Who it is that listens on `port`, for the end of a sentence."""
    found = sorted(listeners(port))
    return f" by user {_name(found[0])}" if found else ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _made_by(owner: Owner, family: socket.AddressFamily) -> socket.socket:
    """A TCP socket that belongs to `owner`: what counts is who makes it, not who binds it."""
    if os.geteuid() != 0:
        return socket.socket(family, socket.SOCK_STREAM)
    try:
        os.seteuid(owner.uid)
    except OSError as error:
        raise Problem(f"cannot make a socket of user {_name(owner.uid)}: {refusal(error)}") from None
    try:
        return socket.socket(family, socket.SOCK_STREAM)
    finally:
        os.seteuid(0)
