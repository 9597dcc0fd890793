"""How SSH connections are made: by pyinfra (`group_data/all.py`), and by the tests through testinfra."""

from __future__ import annotations

import contextlib
import logging
import shlex
import socket
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import paramiko
from pyinfra import logger
from pyinfra.connectors.sshuserclient.client import AcceptNewPolicy, SSHClient, get_ssh_config
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
    def stop_thread(self) -> None:
        """As paramiko's, which calls it when this is closed, and at the end of the program: pyinfra closes nothing."""
        self._leaving = True
        super().stop_thread()

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
        """As paramiko's: it logs what a server says, and Python shows errors that are logged where nobody listens. They
        are raised as well: a person sees them once, without a traceback."""
        level = min(level, logging.INFO)
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
    if isinstance(under, paramiko.ProxyCommand):
        under.close = partial(_end, under.close)  # type: ignore[method-assign]
    # Made here and not where the path is configured: a build that never connects may have no place for it.
    KNOWN_HOSTS.parent.mkdir(mode=0o700, exist_ok=True)
    return AheadTransport(sock, **arguments)


def _end(close: Callable[[], None]) -> None:
    """End a ProxyCommand by `close`, paramiko's own, which fails where the command has ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        close()


_KNOWN_HOSTS, _CHECKING = "_pyinfra_ssh_known_hosts_file", "_pyinfra_ssh_strict_host_key_checking"

_SHARED: ContextVar[Mapping[str, Any]] = ContextVar("shared", default=MappingProxyType({}))
"""What the connection that is being made hands down to those of its jump hosts."""


class ChangedHostKey(paramiko.BadHostKeyException):
    """Somebody else answers than the box that was met under the name; `known_hosts` is where its key is kept."""

    def __init__(self, error: paramiko.BadHostKeyException, name: str, known_hosts: str) -> None:
        super().__init__(error.hostname, error.key, error.expected_key)
        self.args = (
            f"Host key for {brief(error.hostname)} does not match the one it had: if it is another box now, forget the"
            f" old one with: ssh-keygen -f {shlex.quote(known_hosts)} -R {shlex.quote(name)}",
        )

    @override
    def __str__(self) -> str:
        return str(self.args[0])


class AcceptNew(AcceptNewPolicy):
    """Trust on first use: pyinfra's own forgets a key that it has met in the same run, and would take any other."""

    @override
    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Write the key down, once for all who go through the same jump host, and hold to it from now on."""
        known = client.get_host_keys()
        if known.lookup(hostname) is None:
            known.add(hostname, key.get_name(), key)
            super().missing_host_key(client, hostname, key)  # type: ignore[no-untyped-call]
        elif not known.check(hostname, key):
            raise paramiko.BadHostKeyException(hostname, key, next(iter(known[hostname].values())))


class Client(SSHClient):
    """A client that goes by the user's ssh config as pyinfra's does, its jump hosts by the same host keys as all.

    Those are of `KNOWN_HOSTS` for who says nothing else, and the way is over `transport`.
    """

    @override
    def set_missing_host_key_policy(self, policy: Any) -> None:
        """As paramiko's, but one that accepts new hosts is ours; testinfra's own would accept any."""
        trusting = isinstance(policy, AcceptNewPolicy | paramiko.WarningPolicy)
        super().set_missing_host_key_policy(AcceptNew() if trusting else policy)

    @override
    def connect(self, hostname: str, *arguments: Any, **options: Any) -> None:
        """As pyinfra's. Raises `ChangedHostKey` beside what paramiko raises."""
        if arguments:  # paramiko's second one
            options["port"] = arguments[0]
        said = {name: value for name, value in options.items() if value is not None}
        wanted = {**_defaults(), **_SHARED.get(), **_of_config(hostname, said), **said}
        _make(wanted[_KNOWN_HOSTS])
        handed_down = _SHARED.set({name: wanted[name] for name in (_KNOWN_HOSTS, _CHECKING)})
        try:
            super().connect(hostname, **wanted)  # type: ignore[no-untyped-call]
        except ChangedHostKey:
            raise  # of a jump host
        except paramiko.BadHostKeyException as error:
            raise ChangedHostKey(error, self._name_of(error.hostname), str(self._host_keys_filename)) from None
        finally:
            _SHARED.reset(handed_down)

    def _name_of(self, hostname: str) -> str:
        """What `hostname` is called in the file of host keys."""
        port = int(self._ssh_config.get("port", paramiko.config.SSH_PORT))
        bare = port == paramiko.config.SSH_PORT or hostname.startswith("[")
        return hostname if bare else f"[{hostname}]:{port}"


def _make(known_hosts: str) -> None:
    """Have the file of host keys there: pyinfra warns of one that is not, as it is before the first connection."""
    with contextlib.suppress(OSError):  # writing the first key says why
        file = Path(known_hosts).expanduser()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)


def _of_config(hostname: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """The file of host keys that an ssh config names for `hostname`, where one was named itself: a rented box's."""
    named = said.get("_pyinfra_ssh_config_file")
    config = get_ssh_config(named) if named else None
    known = config.lookup(hostname).get("userknownhostsfile") if config else None
    return {_KNOWN_HOSTS: known.strip('"')} if known else {}


def _defaults() -> dict[str, Any]:
    """pyinfra's names for what its own client is told, and testinfra's and jump hosts' are not."""
    return {
        _KNOWN_HOSTS: str(KNOWN_HOSTS),
        _CHECKING: "accept-new",
        "_pyinfra_ssh_paramiko_connect_kwargs": {"transport_factory": transport},
    }
