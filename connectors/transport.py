"""How SSH connections are made: by pyinfra (`group_data/all.py`), and by the tests through testinfra."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import paramiko
from pyinfra import logger
from pyinfra.connectors.sshuserclient.client import AcceptNewPolicy
from typing_extensions import override
from visomaster_host.text import brief, lines

from spec.here import ROOT

KNOWN_HOSTS = ROOT / ".state" / "known_hosts"
"""The host keys this project has met: rented boxes come and go, the user's own file stays clean of them."""


_GONE_AFTER = 60
"""Seconds without an answer after which a box counts as gone; else a command on it would be waited for forever."""

_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in {
            "TCP_KEEPIDLE": _GONE_AFTER // 4,
            "TCP_KEEPINTVL": _GONE_AFTER // 4,
            "TCP_KEEPCNT": 3,
            "TCP_USER_TIMEOUT": _GONE_AFTER * 1000,
        }.items()
        if hasattr(socket, name)  # not all of them are there on a Mac
    ),
]


class AheadTransport(paramiko.Transport):
    """A transport that has its next session open before it is asked for.

    A command over SSH costs two round trips: one opens a session, one runs the command in it. Here the next session is
    opened while the command before runs, so a command costs one. It is still a session of its own: exit status,
    streams, terminal, time limit and cancelling are SSH's. sshd allows ten at once, this adds one at most.

    It also says when the connection is lost: pyinfra, which then gets a command without an exit status, does not.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As paramiko's."""
        super().__init__(*arguments, **options)
        self._ahead: _Ahead | None = None
        self._ahead_lock = threading.Lock()
        self._leaving = False
        self._peer = ":".join(map(str, self.getpeername()[:2]))

    @override
    def close(self) -> None:
        """As paramiko's."""
        self._leaving = True
        super().close()

    @override
    def run(self) -> None:
        """As paramiko's: it returns when the connection has ended."""
        super().run()
        if self._ahead and not self._leaving:
            logger.error("The SSH connection to %s was lost", self._peer)

    @override
    def get_exception(self) -> Exception | None:
        """As paramiko's; what the server said, which is in some of its errors, may be shown."""
        error: Exception | None = super().get_exception()
        if error is not None and not isinstance(error, OSError):
            error.args = tuple(brief(part) if isinstance(part, str) else part for part in error.args)
        return error

    def _log(self, level: int, msg: object, *arguments: object) -> None:
        """As paramiko's: it logs what a server says, and Python shows errors that are logged where nobody listens."""
        for line in msg if isinstance(msg, list) else [str(msg) % arguments if arguments else msg]:
            super()._log(level, "%s", lines(str(line)))  # type: ignore[misc]  # its stubs do not have it

    @override
    def open_session(
        self, window_size: int | None = None, max_packet_size: int | None = None, timeout: float | None = None
    ) -> paramiko.Channel:
        """The session opened ahead, or a new one where there is none: the first, or the server allows no more."""
        with self._ahead_lock:
            ahead, self._ahead = self._ahead, None
        channel = ahead.take() if ahead and window_size is None and max_packet_size is None else None
        if channel is None:
            channel = super().open_session(window_size, max_packet_size, timeout)
        with self._ahead_lock:
            self._ahead = self._ahead or _Ahead(super().open_session)
        return channel


class _Ahead(threading.Thread):
    """One session on its way."""

    def __init__(self, opened: Callable[[], paramiko.Channel]) -> None:
        super().__init__(daemon=True)
        self._opened = opened
        self._channel: paramiko.Channel | None = None
        self.start()

    def take(self) -> paramiko.Channel | None:
        """The session once it is open; None when it could not be, or was closed since."""
        self.join()
        return None if self._channel is None or self._channel.closed else self._channel

    @override
    def run(self) -> None:
        # Whoever needs a session tries again, and is told why there is none.
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            self._channel = self._opened()


def transport(sock: Any, **arguments: Any) -> paramiko.Transport:
    """An SSH transport over `sock` that is quick with many small commands; a `transport_factory` for paramiko.

    It opens sessions ahead and sends each packet at once. paramiko leaves Nagle's algorithm on, which together with the
    other side's delayed acknowledgements costs 40 ms a command: 48.5 ms against 6.6 ms for a bare one.
    """
    under = sock
    while isinstance(under, paramiko.Channel):  # through a jump host, over its own transport
        under = under.get_transport().sock
    if isinstance(under, socket.socket):  # and not the pipe of a ProxyCommand
        for level, option, value in _SOCKET_OPTIONS:
            under.setsockopt(level, option, value)
    # Made here and not where the path is configured: a build that never connects may have no place for it.
    KNOWN_HOSTS.parent.mkdir(mode=0o700, exist_ok=True)
    return AheadTransport(sock, **arguments)


class Client(paramiko.SSHClient):
    """A client for those who bring no policy of their own: the same transport, the same host keys.

    testinfra's own accepts any host key; it takes this one when `paramiko.SSHClient` is replaced by it.
    """

    def __init__(self) -> None:
        """Know the hosts of earlier connections, and trust a new one on first use."""
        super().__init__()
        KNOWN_HOSTS.parent.mkdir(mode=0o700, exist_ok=True)
        KNOWN_HOSTS.touch()
        self.load_host_keys(str(KNOWN_HOSTS))
        super().set_missing_host_key_policy(AcceptNewPolicy())

    @override
    def set_missing_host_key_policy(self, policy: Any) -> None:
        """Keep to trust on first use."""

    @override
    def connect(self, *arguments: Any, **options: Any) -> None:
        """As paramiko's, over `transport`."""
        super().connect(*arguments, **{"transport_factory": transport, **options})
