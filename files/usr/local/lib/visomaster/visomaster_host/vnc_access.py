"""How viewers reach Xtigervnc on a public port: a socket, a password's file, a certificate.

The listening socket is made here, as the portal's is: it belongs to the desktop's user before any program of theirs
runs, and viewers' connections inherit what is set on it. Xtigervnc itself never asks whether a viewer is still there:
one whose line went dead would keep its keys down for two hours.
"""

from __future__ import annotations

import os
import socket
import subprocess

from visomaster_host import paths, users
from visomaster_host.files import owner_of, write_atomic
from visomaster_host.portal import front, tls
from visomaster_host.problems import Problem, say
from visomaster_host.refusals import refusal
from visomaster_host.store import VNC_PASSWORD, read_secret

SECURED, PLAIN = ("X509Vnc",), ("TLSVnc", "VncAuth")
"""Security types. Each asks for the password; viewers take the first that they know, the last is for those that know
no TLS."""

PROBED_AFTER, PROBED_EVERY, PROBES = 30, 10, 3
"""Seconds of silence after which a viewer's line is asked, seconds between two questions, how many have no answer."""
DEAD_AFTER = PROBED_AFTER + PROBED_EVERY * PROBES
"""Seconds until a line counts as dead; as many for what was sent and is not taken."""

_KEPT = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBED_AFTER),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBED_EVERY),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER * 1000),
)


def take_port(port: int) -> None:
    """Listen on the public `port`, and hold that of IPv6, for the program that this process becomes: its standard input
    is the socket. Raises `Problem` when somebody else listens there.
    """
    owner = owner_of(users.DESKTOP)
    if (holder := front.reserve_ipv6(port, owner)) is not None:
        holder.detach()  # open as long as the process that this one becomes
    with listening(front.listen(port, owner)) as listener:
        os.dup2(listener.fileno(), 0)


def listening(listener: socket.socket) -> socket.socket:
    """`listener`, whose connections end when their lines are dead."""
    for level, option, value in _KEPT:
        listener.setsockopt(level, option, value)
    return listener


def hand_over_password() -> None:
    """Put the password where Xtigervnc reads it, in its own form. Raises `Problem` when there is none, or it cannot."""
    password = read_secret(VNC_PASSWORD)
    if not password:
        raise Problem(f"{paths.SECRETS / VNC_PASSWORD} is missing: visomaster-start writes it")
    try:
        done = subprocess.run(["tigervncpasswd", "-f"], input=password.encode(), capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = refusal(error) if isinstance(error, OSError) else f"status {error.returncode}"
        raise Problem(f"tigervncpasswd cannot write the password: {why}") from None
    write_atomic(paths.VNC_PASSWORD, done.stdout, mode=0o600, owner=owner_of(users.DESKTOP))


def hand_over_certificate() -> bool:
    """Give Xtigervnc a copy of the pair to serve. Where there is none it is said, and the result is False: viewers have
    the other ways. Raises OSError.
    """
    user = owner_of(users.DESKTOP)
    try:
        pair, reason = _pair()
    except tls.TlsError as error:
        say(f"visomaster-service: {error}; going on: without X509Vnc")
        return False
    if reason:
        say(f"visomaster-service: {reason}")
    for source, copy in ((pair.certificate, paths.VNC_CERTIFICATE), (pair.key, paths.VNC_KEY)):
        write_atomic(copy, source.read_bytes(), mode=0o600, owner=user)
    return True


def options(*, certificate: bool) -> tuple[str, ...]:
    """Xtigervnc's options for its standard input as the listening socket, with X509Vnc where there is a `certificate`.
    They name the password's file, never the password: arguments can be read by anyone.
    """
    types = (*SECURED, *PLAIN) if certificate else PLAIN
    secrets = ("-SecurityTypes", ",".join(types), "-PasswordFile", str(paths.VNC_PASSWORD))
    pair = ("-X509Cert", str(paths.VNC_CERTIFICATE), "-X509Key", str(paths.VNC_KEY)) if certificate else ()
    return ("-inetd", *secrets, *pair)


def _pair() -> tuple[tls.Pair, str | None]:
    """The pair to serve, and what is to be said of it. Where none can be kept, one is made for this time. Raises
    `TlsError`, OSError.
    """
    try:
        return tls.usable_pair(tls.INSTANCE, tls.pair_in(paths.CERTIFICATES))
    except OSError as error:
        pair, reason = tls.usable_pair(tls.INSTANCE, tls.pair_in(paths.RUN / "tls"))
        kept = f"{refusal(error)}; the self-signed certificate is another one after the next start"
        return pair, "; ".join(filter(None, (reason, kept)))
