"""ENABLE_HTTPS: the instance's certificate when it can be used, else one of our own; never plain HTTP."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from visomaster_host.portal import tls
from visomaster_host.portal.apply import prepare
from visomaster_host.problems import Problem

from tests.portal import rig


def served(portal: rig.Portal) -> bytes:
    """The certificate that the portal shows, as DER."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", portal.port)))


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def https(portal: rig.Portal, request: str) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", portal.port), timeout=5)
    with plain, context.wrap_socket(plain) as secure:
        secure.sendall(request.encode())
        answer = b""
        while more := secure.recv(65536):
            answer += more
    return answer.decode()


def test_the_instance_certificate_is_served(folder: Path) -> None:
    """/etc/instance.crt and its key, where the platform put them; the cookie is then Secure."""
    pair = tls.Pair(certificate=folder / "instance.crt", key=folder / "instance.key")
    tls.make_self_signed(pair)
    with rig.running(folder, rig.wanted(token=rig.TOKEN, enable_https=True)) as portal:
        assert portal.prepared.notices == ()
        assert served(portal) == der(pair.certificate)
        head = f"GET /?token={rig.TOKEN} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        answer = https(portal, head)
        assert answer.startswith("HTTP/1.1 302")
        assert "; SameSite=Lax; Secure\r\n" in answer
        plain = portal.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain == b"" or plain.startswith(b"HTTP/1.0 400")


def spoil(folder: Path, how: str) -> None:
    """Put a pair into `folder` that cannot be used."""
    pair = tls.Pair(certificate=folder / "instance.crt", key=folder / "instance.key")
    tls.make_self_signed(pair)
    match how:
        case "key missing":
            pair.key.unlink()
        case "certificate missing":
            pair.certificate.unlink()
        case "certificate empty":
            pair.certificate.write_text("")
        case "key of another pair":
            pair.certificate.rename(folder / "kept.crt")
            tls.make_self_signed(pair)
            (folder / "kept.crt").rename(pair.certificate)
        case "key with a pass phrase":
            command = [
                "openssl",
                "pkey",
                "-in",
                pair.key,
                "-aes256",
                "-passout",
                "pass:secret",
                "-out",
                folder / "new.key",
            ]
            subprocess.run(command, check=True, capture_output=True)
            (folder / "new.key").rename(pair.key)
        case "expired":
            request = folder / "request.pem"
            ask = ["openssl", "req", "-new", "-key", pair.key, "-subj", "/CN=old", "-out", request]
            subprocess.run(ask, check=True, capture_output=True)
            sign = [
                "openssl",
                "x509",
                "-req",
                "-in",
                request,
                "-signkey",
                pair.key,
                "-days",
                "-1",
                "-out",
                pair.certificate,
            ]
            subprocess.run(sign, check=True, capture_output=True)


@pytest.mark.parametrize(
    "how",
    [
        "key missing",
        "certificate missing",
        "certificate empty",
        "key of another pair",
        "key with a pass phrase",
        "expired",
    ],
)
def test_an_unusable_pair_is_replaced_by_our_own(folder: Path, how: str) -> None:
    """The portal says why, and stays on TLS."""
    spoil(folder, how)
    with rig.running(folder, rig.wanted(token=rig.TOKEN, enable_https=True)) as portal:
        (notice,) = portal.prepared.notices
        assert "instance." in notice
        assert "self-signed" in notice
        assert served(portal) == der(portal.places.certificates / "portal.crt")


def test_our_own_certificate_stays_the_same(folder: Path) -> None:
    """A browser's exception for it outlives a restart; only Caddy's user can read the key."""
    places = rig.places(folder, rig.free_port(), 1)
    wanted = rig.wanted(token=rig.TOKEN, enable_https=True)
    prepare(wanted, places)
    first = (places.run / "tls.crt").read_bytes()
    prepare(wanted, places)
    assert (places.run / "tls.crt").read_bytes() == first
    assert (places.run / "tls.key").stat().st_mode & 0o777 == 0o400
    assert (places.certificates / "portal.key").stat().st_mode & 0o777 == 0o600


def test_without_openssl_the_portal_stays_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP is no way out."""
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(Problem, match="ENABLE_HTTPS"):
        prepare(rig.wanted(token=rig.TOKEN, enable_https=True), rig.places(folder, 1, 1))
