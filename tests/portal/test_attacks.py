"""Requests that no browser sends: each is refused with a 4xx, and nothing of the host is in the answer."""

from __future__ import annotations

import re

import pytest

from tests.portal import rig

LEAKS = (b"root:x:0", b"the-secret-beside-the-logs", b"PORTAL_TOKEN", b"BEGIN", rig.TOKEN.encode())

TRAVERSALS = (
    "/logs/../secret.txt",
    "/logs/../../etc/passwd",
    "/logs/%2e%2e/secret.txt",
    "/logs/%2e%2e%2fsecret.txt",
    "/logs/..%2fsecret.txt",
    "/logs/..%5csecret.txt",
    "/logs/%252e%252e%252fsecret.txt",
    "/logs/....//secret.txt",
    "/logs/..;/secret.txt",
    "/logs/.%00./secret.txt",
    "/logs/%c0%ae%c0%ae/secret.txt",
    "/logs//etc/passwd",
    "/logs/%2fetc%2fpasswd",
    "/logs/supervisor/../../secret.txt",
    "/logs/supervisor/..%2f..%2fsecret.txt",
    "/logs/link.log",
    "/logs/.hidden.log",
    "/logs/..",
    "/logs/supervisor",
    "/logs/portal/x11vnc.log",
    "/logs/x11vnc.log/",
    "/logs/x11vnc.log%00.txt",
    "/logs/x11vnc.log%0d%0aSet-Cookie:a=b",
    "/logs/file:///etc/passwd",
    "/logs/x11vnc.log?offset=nan",
    "/logs/x11vnc.log?offset=0&file=../../etc/passwd",
    "/logs/x11vnc.log?offset=99999999999999999999",
    "/assets/../Caddyfile",
    "/assets/%2e%2e/Caddyfile",
    "/assets/..%2ftemplates%2findex.html.j2",
    "/assets/",
    "/vnc/../../etc/passwd",
    "/vnc/%2e%2e/portal.json",
    "/vnc/..%2frun%2fservices.caddy",
    "/status/../etc/passwd",
    "/status/status.json/../../secret.txt",
    "/status/%2e%2e/logs/../secret.txt",
    "/login.html",
    "/Caddyfile",
    "/run/services.caddy",
    "/etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc/passwd",
)


@pytest.mark.parametrize("target", TRAVERSALS)
def test_nothing_beside_the_allowed_files(portal: rig.Portal, target: str) -> None:
    """Even somebody who is logged in reads only what the portal means to show."""
    login = f"Authorization: Bearer {portal.wanted.token}\r\n".encode()
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n".encode()
    inside = portal.raw(request + login + b"\r\n")
    assert re.match(rb"HTTP/1\.1 4\d\d ", inside), inside[:200]
    assert not [leak for leak in LEAKS if leak in inside]
    outside = portal.raw(request + b"\r\n")
    assert re.match(rb"HTTP/1\.1 4\d\d ", outside), outside[:200]


HOST = b"Host: 127.0.0.1\r\n"
INJECTIONS = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: 127.0.0.1/x\r\n\r\n",
    "line folding": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n Authorization: Bearer x\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\n" + HOST + b"Authorization : Bearer x\r\n\r\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rAuthorization: Bearer x\r\n\r\n",
    "null byte in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "null byte in the path": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "header without a name": b"GET / HTTP/1.1\r\n" + HOST + b": x\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "unknown version": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bad method": b"G T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT 127.0.0.1:5900 HTTP/1.1\r\n" + HOST + b"\r\n",
    "trace": b"TRACE / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    "absolute target": b"GET http://127.0.0.1:5900/ HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    "tls on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
    "big header": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 64_000 + b"\r\n\r\n",
    "big target": b"GET /" + b"a" * 64_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 10_000 + b"\r\n",
    "big cookie": b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: C.12345_auth_token=" + b"a" * 64_000 + b"\r\n\r\n",
}


HUNG_UP = ("http/2 preface",)
"""Answered by hanging up by Caddy from 2.8 on."""


@pytest.mark.parametrize("name", INJECTIONS)
def test_malformed_requests_are_refused(portal: rig.Portal, name: str) -> None:
    """Refused by the login or by Caddy itself: 505 is Go's word for an unknown version, hanging up its answer
    to h2.
    """
    answer = portal.raw(INJECTIONS[name])
    assert (answer == b"" and name in HUNG_UP) or re.match(rb"HTTP/1\.[01] (4\d\d|505) ", answer), answer[:200]
    assert not [leak for leak in LEAKS if leak in answer]


HIDDEN = b"GET /logs/visomaster_app.log HTTP/1.1\r\n" + HOST + b"\r\n"
SMUGGLING = {
    "CL.TE": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE.CL": b"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "length with a sign": b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "length that is none": b"Content-Length: 0x10\r\n\r\n" + HIDDEN,
    "negative length": b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "TE with a space": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE unknown": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE with a tab": b"Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "bad chunk size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + HIDDEN,
    "chunk of a huge size": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + HIDDEN,
    "a plain second request": b"Content-Length: 0\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", SMUGGLING)
def test_a_request_inside_a_request_is_never_answered(portal: rig.Portal, name: str, method: str) -> None:
    """However a request's end is misread, what is hidden behind it has no login and gets a 4xx or nothing
    (501: Go's word
    for a transfer encoding it does not know)."""
    request = method.encode() + b" /logs/ HTTP/1.1\r\n" + HOST + SMUGGLING[name]
    statuses = re.findall(rb"HTTP/1\.1 (\d\d\d) ", portal.raw(request))
    assert statuses
    assert all(status.startswith(b"4") or status == b"501" for status in statuses), statuses


@pytest.mark.parametrize("name", SMUGGLING)
def test_the_pages_never_see_a_smuggled_request(portal: rig.Portal, name: str) -> None:
    """With a login on the outer request, the hidden one still is none: the proxy writes each request anew."""
    login = f"Authorization: Bearer {portal.wanted.token}\r\n".encode()
    answer = portal.raw(b"GET /logs/supervisor/xvfb.log HTTP/1.1\r\n" + HOST + login + SMUGGLING[name])
    assert b"started" not in answer


@pytest.mark.parametrize("length", [3_000, 4_000, 4_096, 5_000, 6_000, 8_192, 20_000])
def test_a_long_head_is_answered(portal: rig.Portal, length: int) -> None:
    """Who has many cookies, or chose many files, is not kept waiting, and not hung up on."""
    assert portal.inside("/ready", {"X": "x" * length}).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/logs/x11vnc.log", "/status/", "/assets/portal.css", "/vnc/vnc.html", "/ready"])
def test_the_portal_is_only_read(portal: rig.Portal, method: str, path: str) -> None:
    """No page takes anything from a visitor."""
    assert portal.inside(path, method=method).status == 405


def test_security_headers(portal: rig.Portal) -> None:
    """On pages, refusals and errors alike; nobody is told which software answers."""
    for answer in (portal.inside("/"), portal.inside("/logs/"), portal.get("/"), portal.inside("/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
    for path in ("/", "/status/", "/logs/", "/logs/x11vnc.log"):
        policy = portal.inside(path, {"Accept": "text/html"}).headers["content-security-policy"]
        assert re.match(r"default-src 'none'; script-src 'nonce-[0-9a-f]{32}'; style-src 'self';", policy)
        assert "unsafe" not in policy
