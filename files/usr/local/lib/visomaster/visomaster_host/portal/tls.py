"""The certificate: the instance's own pair when it can be used, else a self-signed one that is kept."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from visomaster_host.refusals import refusal
from visomaster_host.text import Told

_TIMEOUT = 20  # seconds; an EC key takes milliseconds even on a busy machine
_DAYS = 397  # the longest that browsers accept


class TlsError(Told):
    """A pair of certificate and key cannot be used or made; the text says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path


INSTANCE = Pair(certificate=Path("/etc/instance.crt"), key=Path("/etc/instance.key"))
"""Where Vast puts the pair that its own authority has signed."""


def pair_in(folder: Path) -> Pair:
    """The host's own pair, which is kept in `folder`."""
    return Pair(certificate=folder / "portal.crt", key=folder / "portal.key")


def usable_pair(instance: Pair, own: Pair) -> tuple[Pair, str | None]:
    """The pair to serve, and why it is not `instance` (None when it is, or when there is none).

    `own` is made when it is missing or no longer good, and kept: a browser's exception for it stays valid. Raises
    `TlsError`, OSError.
    """
    reason = None
    if os.path.lexists(instance.certificate) or os.path.lexists(instance.key):
        try:
            check(instance)
            return instance, None
        except TlsError as error:
            reason = f"{error}; a self-signed certificate is served instead"
    try:
        if not os.path.lexists(own.certificate):  # at a first start: openssl need not be asked
            raise TlsError(f"{own.certificate} is missing")
        check(own)
    except TlsError:
        make_self_signed(own)
    return own, reason


def served_pair(instance: Pair, *, kept: Path, instead: Path) -> tuple[Pair, str | None]:
    """As `usable_pair`, the own one in the folder `kept`; where none can be kept, one is made for this time
    in `instead`, and that is said. Raises `TlsError`, OSError.
    """
    try:
        return usable_pair(instance, pair_in(kept))
    except OSError as error:
        pair, reason = usable_pair(instance, pair_in(instead))
        told = f"{refusal(error)}; the self-signed certificate is another one after the next start"
        return pair, "; ".join(filter(None, (reason, told)))


def check(pair: Pair) -> None:
    """Raise `TlsError` unless `pair` is readable, belongs together and has not expired."""
    import ssl  # 6 ms that a first start, which has no pair, would wait for

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without an answer to the question for a pass phrase it would be asked at a terminal.
        context.load_cert_chain(pair.certificate, pair.key, password="")
        context.load_verify_locations(pair.certificate)
    except OSError:  # as are all of the library's errors
        raise TlsError(_reason(pair)) from None
    ends = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in context.get_ca_certs()]
    if ends and ends[0] > time.time():
        return  # our own, which is its own authority: what openssl says of it would take 10 ms
    _openssl(["x509", "-in", str(pair.certificate), "-noout", "-checkend", "0"], f"{pair.certificate} has expired")


def _reason(pair: Pair) -> str:
    """What is wrong with a `pair` that cannot be used."""
    try:
        _openssl(["x509", "-in", str(pair.certificate), "-noout"], f"{pair.certificate} is no certificate")
        # An empty pass phrase keeps openssl from asking for one at a terminal.
        key = ["pkey", "-in", str(pair.key), "-noout", "-passin", "pass:"]
        _openssl(key, f"{pair.key} is no key without a pass phrase")
    except TlsError as error:
        return str(error)
    return f"{pair.certificate} and {pair.key} do not belong together"


def make_self_signed(pair: Pair) -> None:
    """Write a new key and a certificate for it, each readable by its owner only. Raises `TlsError`, OSError."""
    pair.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=pair.key.parent) as folder:
        new = Pair(certificate=Path(folder, "crt"), key=Path(folder, "key"))
        request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subject = [
            "-days",
            str(_DAYS),
            "-subj",
            "/CN=visomaster",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ]
        where = ["-keyout", str(new.key), "-out", str(new.certificate)]
        _openssl([*request, *subject, *where], "no self-signed certificate could be made")
        for made, path in ((new.key, pair.key), (new.certificate, pair.certificate)):
            made.chmod(0o600)
            made.replace(path)


def _openssl(arguments: list[str], complaint: str) -> bytes:
    """What openssl prints. Raises `TlsError` beginning with `complaint` when it fails or cannot be run."""
    try:
        done = subprocess.run(
            ["openssl", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TlsError(f"{complaint} ({error})") from None
    if done.returncode != 0:
        raise TlsError(complaint)
    return done.stdout
