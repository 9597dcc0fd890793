"""From whose pages a websocket, or a request that changes something, is taken: behind every kind of proxy from ours."""

from __future__ import annotations

import pytest

from tests.portal import rig

HERE = "https://desk.example:8443"
"""What the browser calls the portal, which is behind somebody's nginx on another port."""

OURS = {
    "the browser's own host": {"Host": "desk.example:8443"},
    "a host in X-Forwarded-Host": {"Host": "desk.example", "X-Forwarded-Host": "desk.example:8443"},
    "asked by address": {"Host": "127.0.0.1:11111", "X-Forwarded-Host": "desk.example:8443"},
    "the outermost of several proxies": {"Host": "b", "X-Forwarded-Host": "desk.example:8443, inner"},
    "the innermost of several proxies": {"Host": "b", "X-Forwarded-Host": "outer,desk.example:8443"},
    "the port on its own": {"Host": "desk.example", "X-Forwarded-Port": "8443"},
    "the port of our own kept": {"Host": "desk.example:11111", "X-Forwarded-Port": "8443"},
    "host and port apart": {"Host": "b", "X-Forwarded-Host": "desk.example", "X-Forwarded-Port": "8443"},
    "Forwarded": {"Host": "b", "Forwarded": 'for=203.0.113.9;host="desk.example:8443";proto=https'},
    "Forwarded without quotes": {"Host": "b", "Forwarded": "for=203.0.113.9; Host=desk.example:8443"},
    "https, where the browser says it": {"Host": "b", "Sec-Fetch-Site": "same-origin"},
    "the standard port written out": {"Host": "desk.example:443", "Origin": "https://desk.example"},
    "that of http": {"Host": "desk.example:80", "Origin": "http://desk.example"},
    "the standard port of the proxy": {
        "Host": "desk.example",
        "X-Forwarded-Port": "443",
        "Origin": "https://desk.example",
    },
    "an address of IPv6": {"Host": "[2001:db8::1]", "X-Forwarded-Port": "8443", "Origin": "https://[2001:db8::1]:8443"},
}
FOREIGN = {
    "another port, and nobody says which is ours": {"Host": "desk.example"},
    "nor does the proxy": {"Host": "desk.example", "X-Forwarded-Host": "desk.example"},
    "another port of the proxy's host": {
        "Host": "desk.example",
        "X-Forwarded-Port": "8443",
        "Origin": "https://desk.example:9999",
    },
    "the visitor's own address": {"Host": "b", "Forwarded": "for=203.0.113.9;host=b", "Origin": "http://203.0.113.9"},
    "the other scheme's standard port": {"Host": "desk.example:443", "Origin": "http://desk.example"},
    "a host that begins so": {"Host": "desk.example", "Origin": "https://desk.example.evil"},
    "a host that ends so": {"Host": "desk.example", "Origin": "https://evil.desk.example"},
    "the browser says same site": {"Host": "b", "Sec-Fetch-Site": "same-site"},
    "the browser says it comes from nowhere": {"Host": "b", "Sec-Fetch-Site": "none"},
    "null": {"Host": "desk.example", "Origin": "null"},
    "nothing": {"Host": "desk.example", "Origin": ""},
    "a scheme alone": {"Host": "desk.example", "Origin": "https://"},
    "a port alone": {"Host": "desk.example", "X-Forwarded-Port": "8443", "Origin": "https://:8443"},
    "two": {"Host": "desk.example", "Origin": "https://desk.example, https://evil.example"},
    "words of Caddy": {"Host": "desk.example", "Origin": "https://{http.request.hostport}"},
    "secrets of Caddy": {"Host": "desk.example", "Origin": "{env.PORTAL_TOKEN}"},
}


def taken(portal: rig.Portal, headers: dict[str, str], query: str = "") -> tuple[int, int]:
    """The status of the desktop's websocket, and of a request that changes something."""
    headers = {"Origin": HERE, **headers}
    websocket = portal.browse(f"/vnc/websockify{query}", rig.websocket_headers(**headers))
    return websocket.status, portal.browse(f"/origin{query}", headers, "POST").status


@pytest.mark.parametrize("name", OURS)
def test_our_own_pages_behind_a_proxy(portal: rig.Portal, name: str) -> None:
    """Whatever it says in one of the usual ways is believed: no page can set these headers."""
    assert taken(portal, OURS[name]) == (101, 204)


@pytest.mark.parametrize("name", FOREIGN)
def test_other_pages_behind_a_proxy(portal: rig.Portal, name: str) -> None:
    """A neighbour on another port of the same name is no better for it."""
    assert taken(portal, FOREIGN[name]) == (403, 403)
    assert rig.TOKEN.encode() not in portal.browse("/", {"Origin": HERE, **FOREIGN[name]}, "POST").body


def test_a_page_that_was_read_from_here_is_ours(portal: rig.Portal) -> None:
    """By what it knows, for the desktop's websocket alone; nothing, or another word, is no proof."""
    known = portal.prepared.environment["PORTAL_NONCE"]
    asked = {"Host": "desk.example"}
    assert taken(portal, asked, f"?page={known}") == (101, 403)
    assert b"page" not in portal.websockify.seen[-1]
    assert [taken(portal, asked, f"?page={word}") for word in ("", "*", known[:-1], f"{known}&page=x")] == [
        (403, 403),
        (403, 403),
        (403, 403),
        (403, 403),
    ]
    headers = rig.websocket_headers(Origin=HERE, **asked)
    assert portal.get(f"{portal.base}/vnc/websockify?page={known}", headers).status == 401
    assert known.encode() not in portal.log.read_bytes()


def test_a_refusal_says_why(portal: rig.Portal) -> None:
    """With both hosts and the remedy, as text, whoever asks."""
    answer = portal.browse("/vnc/websockify", rig.websocket_headers(Origin=HERE, Host="desk.example"))
    assert answer.status == 403
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.decode() == (
        f"The browser says this page is at {HERE}, what arrived here is for desk.example. "
        "If a proxy is in between, have it pass on the Host that the browser has sent "
        "(nginx: proxy_set_header Host $http_host;)."
    )


def test_a_page_that_is_not_named_is_not_called_null(portal: rig.Portal) -> None:
    """What a frame without an origin, or a page that sends no referrer, asks for: as a page and as text."""
    for accepted in ("text/html", "*/*"):
        answer = portal.browse("/logout", {"Origin": "null", "Accept": accepted}, method="POST")
        assert answer.status == 403
        assert answer.headers["content-type"].startswith("text/html" if accepted == "text/html" else "text/plain")
        assert b"does not say on which page this was asked for" in answer.body
        assert b"null" not in answer.body


def test_whether_a_page_is_ours_is_told_to_those_inside(portal: rig.Portal) -> None:
    """Nothing to be learned by others."""
    assert portal.get("/origin", method="POST").status == 401
    assert portal.inside("/origin", method="POST").status == 204
