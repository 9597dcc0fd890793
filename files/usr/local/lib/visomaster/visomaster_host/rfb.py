"""The first steps of the VNC protocol (RFC 6143, 7.1): enough to know that a server serves, and whom it lets
in.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from visomaster_host import beneath
from visomaster_host.problems import NotReady
from visomaster_host.refusals import in_words

ANSWER_WITHIN = 2.0
"""Seconds for each step."""

ASKING = "127.0.0.2"
"""The host's own checks of a public port come from here: they end before the login, and must not be locked out."""

NO_PASSWORD, PASSWORD = 1, 2
"""Security types (RFC 6143, 7.2)."""


def handshake(address: tuple[str, int] | Path, security: int, source: str = "") -> str:
    """Greet the server at `address` and go as far as one can without a password. Raises `NotReady`.

    With `PASSWORD` the server must demand one (and nothing weaker) and send its 16 bytes to encrypt; with
    `NO_PASSWORD` it must let us in and tell the size of its screen. `source` is the address it is asked from.
    """
    where = str(address) if isinstance(address, Path) else f"{address[0]}:{address[1]}"
    try:
        with connected(address, source) as connection:
            if security == PASSWORD:
                _choose(connection, where, PASSWORD)
                receive(connection, 16)
                return f"{where} greets and asks for the password"
            enter(connection, where)
            width, height = struct.unpack(">HH", receive(connection, 4))
            return f"{where} greets and shows {width}x{height}"
    except (OSError, EOFError) as error:
        raise NotReady(f"{where}: {in_words(error)}") from None


def connected(address: tuple[str, int] | Path, source: str = "") -> socket.socket:
    """A connection to `address`, TCP or a unix socket, that waits two seconds for each step. Raises OSError.

    `source` is the address it is made from, for TCP.
    """
    if not isinstance(address, Path):
        return socket.create_connection(address, ANSWER_WITHIN, (source, 0))
    with beneath.Folder.open(address.parent) as folder:  # it is the desktop's user's, and root asks
        return folder.connected(address.name)


def enter(connection: socket.socket, where: str) -> None:
    """Be let in without a password, beside whoever is connected: next the server tells of its screen. Raises
    `NotReady`, OSError, EOFError.
    """
    _choose(connection, where, NO_PASSWORD)
    (refusal,) = struct.unpack(">I", receive(connection, 4))
    if refusal:
        raise NotReady(f"{where} refuses the connection")
    connection.sendall(b"\x01")  # shared: leave everyone else connected


def _choose(connection: socket.socket, where: str, security: int) -> None:
    """Greet, and choose the type `security`, the weakest that the server may offer. Raises `NotReady`."""
    offered = _security_types(connection, where)
    if security not in offered or (security == PASSWORD and NO_PASSWORD in offered):
        raise NotReady(f"{where} offers the security types {offered}, expected {security}")
    connection.sendall(bytes([security]))


def _security_types(connection: socket.socket, where: str) -> list[int]:
    # Said before the server has greeted: libvncserver waits a tenth of a second whether it is a browser that connects.
    connection.sendall(b"RFB 003.008\n")
    banner = receive(connection, 12)
    if not banner.startswith(b"RFB 003."):
        raise NotReady(f"{where} is no VNC server: it greets with {banner!r}")
    return list(receive(connection, receive(connection, 1)[0]))


def receive(connection: socket.socket, count: int) -> bytes:
    """Exactly `count` bytes. Raises `EOFError` when the other side ends before."""
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise EOFError("the server closed the connection")
        received += part
    return received
