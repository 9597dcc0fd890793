"""Requests whose end can be read in two ways, or that no browser sends: a table of their bytes.

{T} is the target asked for, {L} the lines of a login ("" for a stranger), {H} a whole second request that asks for the
log no test ever asks for openly, {N} its length; {U} the same request without its end, so that whatever is read next
on that connection becomes the value of a header of it, {M} the length of that.
"""

from __future__ import annotations

CANARY_LOG = "/logs/canary.log"
"""What every hidden request asks for. No test asks for it in the open."""

HIDDEN = f"GET {CANARY_LOG} HTTP/1.1\r\nHost: x\r\n\r\n"
UNFINISHED = f"GET {CANARY_LOG} HTTP/1.1\r\nHost: x\r\nX-Swallow: "

LINE = "{T} HTTP/1.1\r\nHost: 127.0.0.1\r\n{L}"
GET, HEAD, POST = f"GET {LINE}", f"HEAD {LINE}", f"POST {LINE}"
LENGTH = "Content-Length: {N}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
CHUNK = "\r\n{X}\r\n{H}\r\n0\r\n\r\n"
"""The hidden request as the only chunk."""
UPGRADE = "Connection: Upgrade\r\nUpgrade: "

BODIES = {
    "a body on GET": GET + LENGTH + "\r\n{H}",
    "an unfinished request as the body of GET": GET + "Content-Length: {M}\r\n\r\n{U}",
    "a body on HEAD": HEAD + LENGTH + "\r\n{H}",
    "an unfinished request as the body of HEAD": HEAD + "Content-Length: {M}\r\n\r\n{U}",
    "a body on POST": POST + LENGTH + "\r\n{H}",
    "a body on OPTIONS": f"OPTIONS {LINE}" + LENGTH + "\r\n{H}",
    "a body on DELETE": f"DELETE {LINE}" + "Content-Length: {M}\r\n\r\n{U}",
    "a body shorter than its length": GET + "Content-Length: 4096\r\n\r\n{H}",
    "a body longer than its length": GET + "Content-Length: 5\r\n\r\nxxxxx{H}",
    "no length, and a body": GET + "\r\n{H}",
    "a length of 0, and a body": POST + "Content-Length: 0\r\n\r\n{H}",
}
LENGTHS = {
    "two equal lengths": GET + LENGTH + LENGTH + "\r\n{H}",
    "two lengths, 0 first": GET + "Content-Length: 0\r\n" + LENGTH + "\r\n{H}",
    "two lengths, 0 last": GET + LENGTH + "Content-Length: 0\r\n\r\n{H}",
    "a list of equal lengths": GET + "Content-Length: {N}, {N}\r\n\r\n{H}",
    "a list of lengths": GET + "Content-Length: 0, {N}\r\n\r\n{H}",
    "a length with a sign": GET + "Content-Length: +{N}\r\n\r\n{H}",
    "a negative length": GET + "Content-Length: -1\r\n\r\n{H}",
    "a length with spaces": GET + "Content-Length:   {N}  \r\n\r\n{H}",
    "a space within a length": GET + "Content-Length: 1 0\r\n\r\n{H}",
    "a length in hex": GET + "Content-Length: 0x{X}\r\n\r\n{H}",
    "an empty length": GET + "Content-Length: \r\n\r\n{H}",
    "a length beyond 64 bits": GET + "Content-Length: 18446744073709551617\r\n\r\n{H}",
    "a space before the colon of the length": GET + "Content-Length : {N}\r\n\r\n{H}",
    "an underscore in the length's name": GET + "Content_Length: {N}\r\n\r\n{H}",
}
CHUNKS = {
    "chunked": GET + CHUNKED + CHUNK,
    "chunked on HEAD": HEAD + CHUNKED + CHUNK,
    "chunked on POST": POST + CHUNKED + CHUNK,
    "chunked, an unfinished request in it": GET + CHUNKED + "\r\n{Y}\r\n{U}\r\n0\r\n\r\n",
    "chunked without an end": GET + CHUNKED + "\r\n{X}\r\n{H}\r\n",
    "chunked and ended, then a request": GET + CHUNKED + "\r\n0\r\n\r\n{H}",
    "a chunk with an extension": GET + CHUNKED + '\r\n{X};a="{T}"\r\n{H}\r\n0\r\n\r\n',
    "a chunk with a bare LF in its extension": GET + CHUNKED + "\r\n2;\nxx\r\n{X}\r\n{H}\r\n0\r\n\r\n",
    "a trailer": GET + CHUNKED + "Trailer: X\r\n\r\n{X}\r\n{H}\r\n0\r\nX: y\r\n\r\n",
    "a length as a trailer": GET + CHUNKED + "\r\n0\r\nContent-Length: {N}\r\n\r\n{H}",
    "an unfinished trailer": GET + CHUNKED + "\r\n0\r\nX: y\r\n{H}",
    "a chunk size that is none": GET + CHUNKED + "\r\nzz\r\n{H}",
    "a chunk size with 0x": GET + CHUNKED + "\r\n0x{X}\r\n{H}\r\n0\r\n\r\n",
    "a negative chunk size": GET + CHUNKED + "\r\n-1\r\n{H}\r\n0\r\n\r\n",
    "a huge chunk size": GET + CHUNKED + "\r\nffffffffffffffff\r\n{H}",
    "chunks ended by LF": GET + CHUNKED + "\r\n{X}\n{H}\n0\n\n",
    "a chunk longer than its size": GET + CHUNKED + "\r\n1\r\n{H}\r\n0\r\n\r\n",
    "length, then chunked": GET + LENGTH + CHUNKED + "\r\n0\r\n\r\n{H}",
    "chunked, then length": GET + CHUNKED + LENGTH + "\r\n0\r\n\r\n{H}",
    "chunked, then a length that ends in it": POST + CHUNKED + "Content-Length: 3\r\n" + CHUNK,
}
ENCODINGS = {
    f"transfer encoding {name}": GET + f"Transfer-Encoding{value}\r\n\r\n0\r\n\r\n" + "{H}"
    for name, value in {
        "xchunked": ": xchunked",
        "chunked twice": ": chunked, chunked",
        "chunked with a quality": ": chunked;q=1",
        "chunked, identity": ": chunked, identity",
        "identity": ": identity",
        "gzip, chunked": ": gzip, chunked",
        "after a tab": ":\tchunked",
        "after a vertical tab": ":\x0bchunked",
        "on a folded line": ":\r\n chunked",
        "in capitals": ": CHUNKED",
        "with a space before the colon": " : chunked",
        "in quotes": ': "chunked"',
        "empty": ": ",
        "in two headers": ": chunked\r\nTransfer-Encoding: identity",
    }.items()
}
LINES = {
    "a folded header": GET + "X: a\r\n {H}\r\n",
    "a folded first header": "GET {T} HTTP/1.1\r\n Host: 127.0.0.1\r\n{L}\r\n{H}",
    "lines ended by LF": "GET {T} HTTP/1.1\nHost: 127.0.0.1\n\n{H}",
    "a header ended by LF": GET + "X: a\nContent-Length: {N}\n\n{H}",
    "lines ended by CR": "GET {T} HTTP/1.1\rHost: 127.0.0.1\r\r{H}",
    "a CR within a header": GET + "X: a\rContent-Length: {N}\r\n\r\n{H}",
    "a NUL within a header": GET + "X: a\0b\r\n" + LENGTH + "\r\n{H}",
    "a NUL within the name of the length": GET + "Content-Length\0: {N}\r\n\r\n{H}",
    "empty lines before": "\r\n\r\n" + GET + "\r\n{H}",
    "a space before": " " + GET + "\r\n{H}",
    "spaces within the first line": "GET  {T}  HTTP/1.1\r\nHost: 127.0.0.1\r\n{L}\r\n{H}",
    "a second request in the target": "GET {T}?%0d%0a%0d%0a HTTP/1.1\r\nHost: x\r\n{L}\r\n{H}",
    "a header without a colon": GET + "Content-Length\r\n\r\n{H}",
    "a header without a name": GET + ": {N}\r\n\r\n{H}",
}
PIPELINES = {
    "two requests at once": GET + "\r\n" + GET + "\r\n",
    "three requests at once, a hidden one last": GET + "\r\n" + GET + "\r\n{H}",
    "two requests at once, the first with a body": GET + LENGTH + "\r\n{H}" + GET + "\r\n",
    "two requests at once, the second unfinished": GET + "\r\n{U}",
    "HEAD, then a hidden request": HEAD + "\r\n{H}",
}
UPGRADES = {
    "an upgrade to websocket with a body": GET + UPGRADE + "websocket\r\n" + LENGTH + "\r\n{H}",
    "an upgrade to websocket of a wrong version": GET + UPGRADE + "websocket\r\nSec-WebSocket-Version: 777\r\n\r\n{H}",
    "an upgrade to websocket, chunked": GET + UPGRADE + "websocket\r\n" + CHUNKED + CHUNK,
    "an upgrade to h2c with a body": GET
    + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    + LENGTH
    + "\r\n{H}",
    "an upgrade to something else with a body": GET + UPGRADE + "foo\r\n" + LENGTH + "\r\n{H}",
    "an upgrade on POST with a body": POST + UPGRADE + "websocket\r\n" + LENGTH + "\r\n{H}",
}
EXPECTATIONS = {
    "expect 100-continue with a body": GET + "Expect: 100-continue\r\n" + LENGTH + "\r\n{H}",
    "expect 100-continue without a body": GET + "Expect: 100-continue\r\n\r\n{H}",
    "expect 100-continue on POST, body withheld": POST + "Expect: 100-continue\r\n" + LENGTH + "\r\n",
    "expect something else with a body": GET + "Expect: else\r\n" + LENGTH + "\r\n{H}",
}
TARGETS = {
    "an absolute target": "GET http://127.0.0.1{T} HTTP/1.1\r\nHost: x\r\n{L}" + LENGTH + "\r\n{H}",
    "an absolute target of another host": "GET http://evil{T} HTTP/1.1\r\nHost: x\r\n{L}\r\n{H}",
    "an authority as the target": "GET 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n{L}" + LENGTH + "\r\n{H}",
    "an asterisk as the target": "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n{L}" + LENGTH + "\r\n{H}",
    "connect": "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n{L}\r\n{H}",
    "connect to a path with a body": f"CONNECT {LINE}" + LENGTH + "\r\n{H}",
    "trace with a body": f"TRACE {LINE}" + LENGTH + "\r\n{H}",
}
CONNECTIONS = {
    "HTTP/1.0 kept alive": "GET {T} HTTP/1.0\r\nConnection: keep-alive\r\n{L}" + LENGTH + "\r\n{H}",
    "HTTP/1.0, chunked": "GET {T} HTTP/1.0\r\nConnection: keep-alive\r\n{L}" + CHUNKED + CHUNK,
    "HTTP/0.9": "GET {T}\r\n{H}",
    "close, and a body": GET + "Connection: close\r\n" + LENGTH + "\r\n{H}",
    "keep-alive, and a body": GET + "Connection: keep-alive\r\nKeep-Alive: timeout=99\r\n" + LENGTH + "\r\n{H}",
    "the length named as a hop": GET + "Connection: Content-Length\r\n" + LENGTH + "\r\n{H}",
    "the encoding named as a hop": GET + "Connection: Transfer-Encoding\r\n" + CHUNKED + CHUNK,
    "host and login named as hops": GET
    + "Connection: keep-alive, Host, Authorization, Cookie\r\n"
    + LENGTH
    + "\r\n{H}",
    "close and upgrade named as hops": GET + "Connection: close, upgrade\r\nUpgrade: x\r\n" + LENGTH + "\r\n{H}",
}
LEFT = {
    "left after half a body": GET + "Content-Length: 4096\r\n\r\n{U}",
    "left within a chunk": GET + CHUNKED + "\r\nfff\r\n{U}",
    "left within the headers": GET + "Content-Length: {N}",
    "left after the request": GET + LENGTH + "\r\n{H}",
}
"""Their sender is gone as soon as they are sent."""

ODD = {
    **BODIES,
    **LENGTHS,
    **CHUNKS,
    **ENCODINGS,
    **LINES,
    **PIPELINES,
    **UPGRADES,
    **EXPECTATIONS,
    **TARGETS,
    **CONNECTIONS,
    **LEFT,
}


def written(name: str, target: str, login: dict[str, str]) -> bytes:
    """The bytes of the odd request `name` for `target` with the headers `login`."""
    values = {
        "{H}": HIDDEN,
        "{U}": UNFINISHED,
        "{N}": str(len(HIDDEN)),
        "{M}": str(len(UNFINISHED)),
        "{X}": f"{len(HIDDEN):x}",
        "{Y}": f"{len(UNFINISHED):x}",
        "{L}": "".join(f"{header}: {value}\r\n" for header, value in login.items()),
        "{T}": target,
    }
    text = ODD[name]
    for place, value in values.items():
        text = text.replace(place, value)
    return text.encode("latin-1")
