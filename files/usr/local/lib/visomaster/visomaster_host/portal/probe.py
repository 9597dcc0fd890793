"""Whether the portal's own parts really serve: asked as their users ask, never by looking at a process."""

from __future__ import annotations

import socket
from pathlib import Path

from visomaster_host import paths, unix_sockets
from visomaster_host.beneath import Folder
from visomaster_host.choices import STREAM_PATH, WEBSOCKET_PORT
from visomaster_host.host import Host
from visomaster_host.problems import NotReady, Warned
from visomaster_host.refusals import in_words

_TIMEOUT = 2.0  # seconds
_WEBSOCKIFY = ("127.0.0.1", WEBSOCKET_PORT)
_GREETING = b"RFB 003.008\n"
_UPGRADE = (
    b"GET /websockify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dmlzb21hc3RlciBwcm9iZQ==\r\n\r\n"
)


def websocket(host: Host, address: tuple[str, int] = _WEBSOCKIFY) -> str:
    """A websocket through websockify gets the VNC server's greeting. Raises `NotReady`."""
    answer = _converse(address, _UPGRADE, until=_GREETING, what="websockify")
    if not answer.startswith(b"HTTP/1.1 101 ") or _GREETING not in answer:
        raise NotReady(f"websockify on port {address[1]} brings no greeting of a VNC server")
    return f"port {address[1]} brings the VNC server's greeting"


def caddy(host: Host) -> str:
    """Caddy answers /health on the public port, over TLS where it serves that. Raises `NotReady`; `Warned` when it does
    not on the port that always speaks TLS.
    """
    answered, secure = _health(host.port, secure=False), False
    if not answered:
        # Caddy says 400 in the clear to plain HTTP on a TLS port, or hangs up.
        answered = secure = _health(host.port, secure=True)
    if not answered:
        raise NotReady(f"caddy on port {host.port} does not answer /health")
    try:
        also = _health(host.tls_port, secure=True)
    except NotReady:
        also = False
    if not also:
        raise Warned(f"port {host.tls_port} does not answer over TLS; port {host.port} does answer")
    return f"port {host.port} answers{' over TLS' if secure else ''}, port {host.tls_port} over TLS"


def _health(port: int, *, secure: bool) -> bool:
    """Whether /health is answered there. Raises `NotReady` when nobody is."""
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = _converse(("127.0.0.1", port), request, until=b"\r\n\r\nok", what="caddy", secure=secure)
    return answer.startswith(b"HTTP/1.1 200 ")


def stream(host: Host) -> str:
    """Selkies answers on its socket; who may not connect there, as the pages, is told that it listens. Raises
    `NotReady`.
    """
    return _on_socket(paths.STREAM_SOCKET, f"{STREAM_PATH}/api/health", "Selkies")


def files(host: Host) -> str:
    """The service for a person's files answers, as above. Raises `Warned`: a desktop without it is one."""
    try:
        return _on_socket(paths.FILES_SOCKET, "/list", "the service")
    except NotReady as problem:
        raise Warned(f"files cannot go up or down: {problem}") from None


def _on_socket(place: Path, target: str, what: str) -> str:
    """`what` answers `target` on its unix socket, or at least listens there. Raises `NotReady`."""
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with Folder.open(place.parent) as folder, folder.connected(place.name) as connection:
            answer = _exchange(connection, request.encode(), b"\r\n\r\n")
    except PermissionError:
        if not unix_sockets.is_listed(place):
            raise NotReady(f"{what} does not listen on {place}") from None
        return f"{what} listens"
    except OSError as error:
        raise NotReady(f"{what} on {place}: {in_words(error)}") from None
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise NotReady(f"{what} on {place} does not answer {target}")
    return f"{what} answers"


def _converse(address: tuple[str, int], request: bytes, *, until: bytes, what: str, secure: bool = False) -> bytes:
    """What comes back for `request`, up to `until` or the end. Raises `NotReady` when there is nobody."""
    try:
        with socket.create_connection(address, timeout=_TIMEOUT) as connection:
            return _exchange(_over_tls(connection) if secure else connection, request, until)
    except OSError as error:
        raise NotReady(f"{what} on port {address[1]}: {in_words(error)}") from None


def _exchange(connection: socket.socket, request: bytes, until: bytes) -> bytes:
    """What comes back for `request`, up to `until` or the end. Raises OSError."""
    connection.sendall(request)
    answer = b""
    while until not in answer and len(answer) < 65536 and (more := connection.recv(4096)):
        answer += more
    return answer


def _over_tls(connection: socket.socket) -> socket.socket:
    """The certificate is not checked: it is for the name that visitors use, and this is loopback."""
    import ssl  # 6 ms that all who never ask over TLS would wait for

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)
