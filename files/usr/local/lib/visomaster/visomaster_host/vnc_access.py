"""How viewers who have come through the gate get into Xtigervnc: a password's file, a certificate."""

from __future__ import annotations

import subprocess

from visomaster_host import paths, users
from visomaster_host.choices import VNC_PORT
from visomaster_host.files import owner_of, write_atomic
from visomaster_host.portal import tls
from visomaster_host.problems import Problem, say
from visomaster_host.refusals import refusal
from visomaster_host.store import VNC_PASSWORD, read_secret

SECURED, PLAIN = ("X509Vnc",), ("TLSVnc", "VncAuth")
"""Security types. Each asks for the password; viewers take the first that they know, the last is for those that know
no TLS."""


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
        pair, reason = tls.served_pair(tls.INSTANCE, kept=paths.CERTIFICATES, instead=paths.RUN / "tls")
    except tls.TlsError as error:
        say(f"visomaster-service: {error}; going on: without X509Vnc")
        return False
    if reason:
        say(f"visomaster-service: {reason}")
    for source, copy in ((pair.certificate, paths.VNC_CERTIFICATE), (pair.key, paths.VNC_KEY)):
        write_atomic(copy, source.read_bytes(), mode=0o600, owner=user)
    return True


def options(*, certificate: bool) -> tuple[str, ...]:
    """Xtigervnc's options for the port behind the gate, with X509Vnc where there is a `certificate`. They name the
    password's file, never the password: arguments can be read by anyone.
    """
    types = (*SECURED, *PLAIN) if certificate else PLAIN
    secrets = ("-SecurityTypes", ",".join(types), "-PasswordFile", str(paths.VNC_PASSWORD))
    pair = ("-X509Cert", str(paths.VNC_CERTIFICATE), "-X509Key", str(paths.VNC_KEY)) if certificate else ()
    return ("-rfbport", str(VNC_PORT), "-localhost", "-UseIPv6=0", *secrets, *pair)
