"""TLS, always on the second port, on the first where ENABLE_HTTPS asks for it: with the instance's certificate when it
can be used, else one of our own; and never anything in the clear there."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from pathlib import Path

import pytest
from visomaster_host.portal import tls
from visomaster_host.portal.apply import prepare
from visomaster_host.problems import Problem

from tests.portal import rig


def served(port: int) -> bytes:
    """The certificate that is shown at `port`, as DER."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def test_the_instance_certificate_is_served(folder: Path) -> None:
    """/etc/instance.crt and its key, where the platform put them; the cookie is then Secure."""
    pair = tls.Pair(certificate=folder / "instance.crt", key=folder / "instance.key")
    tls.make_self_signed(pair)
    with rig.running(folder, rig.wanted(token=rig.TOKEN, enable_https=True)) as portal:
        assert portal.prepared.notices == ()
        for port in (portal.port, portal.tls_port):
            assert served(port) == der(pair.certificate)
            answer = rig.ask(port, f"/?token={rig.TOKEN}", {"Accept": "text/html"}, secure=True)
            assert answer.status == 302
            assert answer.headers["set-cookie"].startswith("__Secure-visomaster_auth_token=")
            assert answer.headers["set-cookie"].endswith("; SameSite=Lax; Secure")
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
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal:
        (notice,) = portal.prepared.notices
        assert "instance." in notice
        assert "self-signed" in notice
        assert served(portal.tls_port) == der(portal.places.certificates / "portal.crt")


def test_our_own_certificate_stays_the_same(folder: Path) -> None:
    """A browser's exception for it outlives a restart; only Caddy's user can read the key."""
    places = rig.places(folder, rig.free_port(), 1)
    wanted = rig.wanted(token=rig.TOKEN)
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


def test_without_openssl_plain_http_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second port answers nobody, rather than in the clear; the pages say so, and lead nobody there."""
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(folder))
        with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal:
            (notice,) = portal.prepared.notices
            assert notice.endswith(f"; port {portal.tls_port}, which speaks TLS, stays closed")
            report = json.loads(portal.inside("/status/status.json").body)
            assert (report["notices"], report["ports"]["tls_port"]) == ([notice], None)
            for secure in (False, True):
                with pytest.raises((OSError, http.client.HTTPException)):
                    rig.ask(portal.tls_port, "/health", secure=secure)


def test_our_own_certificate_is_made_anew_when_it_has_ended(folder: Path) -> None:
    places = rig.places(folder, 1, 1)
    own = tls.pair_in(places.certificates)
    spoil(folder, "expired")
    own.key.parent.mkdir()
    for spoiled, path in ((places.instance.certificate, own.certificate), (places.instance.key, own.key)):
        spoiled.rename(path)
    ended = own.certificate.read_bytes()
    assert prepare(rig.wanted(token=rig.TOKEN), places).notices == ()
    assert (places.run / "tls.crt").read_bytes() not in (b"", ended)


def test_the_second_port_is_the_same_portal_over_tls(portal: rig.Portal) -> None:
    """A session of one is good on the other. Nothing is answered in the clear; one's pages are foreign to the other."""
    plain = portal.cookie
    assert portal.over_tls(f"{portal.base}/", {"Cookie": plain}).status == 200
    assert portal.over_tls("/", {"Accept": "text/html"}).status == 401
    begun = portal.over_tls(f"/?token={rig.TOKEN}", {"Accept": "text/html"})
    cookie = begun.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("__Secure-C.12345_auth_token=")
    assert portal.get(f"{portal.base}/", {"Cookie": cookie}).status == 200
    assert rig.ask(portal.tls_port, "/health").status == 400
    host = f"127.0.0.1:{portal.tls_port}"
    for origin, status in ((f"https://{host}", 101), (f"http://127.0.0.1:{portal.port}", 403)):
        headers = rig.websocket_headers(Cookie=plain, Host=host, Origin=origin)
        assert portal.over_tls(f"{portal.base}/vnc/websockify", headers).status == status
        login = portal.over_tls("/login", {"Host": host, "Origin": origin}, "POST")
        assert login.status == (401 if status == 101 else 403)


def test_a_log_out_ends_what_was_begun_on_both_ports(portal: rig.Portal) -> None:
    """Else the page behind it would still be open, by the other cookie."""
    one, two = portal.sessions.begin(), portal.sessions.begin()
    name = "C.12345_auth_token"
    both = {"Cookie": f"__Secure-{name}={one.cookie}; {name}={two.cookie}"}
    answer = portal.over_tls(f"{one.base}/logout", both, "POST")
    assert answer.headers["set-cookie"].startswith(f"__Secure-{name}=; Path={one.base}/; Max-Age=0;")
    for session in (one, two):
        assert portal.get(f"{one.base}/", {"Cookie": f"{name}={session.cookie}"}).status == 401


def test_a_service_is_behind_both_ports(folder: Path) -> None:
    """It gets no cookie of ours, by neither name. Its own stay as they are over TLS."""
    service = rig.StandIn()
    service.cookie = "a=1; Secure; SameSite=None"
    wanted = rig.wanted(token=rig.TOKEN, portal_config=f"localhost:1:{service.port}:/:Lab")
    with rig.running(folder, wanted) as portal:
        name = "visomaster_auth_token"
        headers = {"Cookie": f"__Secure-{name}={'x' * 43}; {portal.cookie}; b=2"}
        secure = portal.over_tls(f"{portal.base}/lab/", headers)
        assert secure.headers["set-cookie"] == "a=1; Secure; SameSite=None"
        assert b"Cookie: -portal=; -portal=; b=2\r\n" in secure.body
        assert portal.get(f"{portal.base}/lab/", headers).headers["set-cookie"] == "a=1; SameSite=Lax"
    service.close()
