"""One HTTP request for a range of one file, and what its answer means.

Redirects are followed here, not by requests, so that each hop gets only its own host's credentials. No message made
here holds a user, a password or a query (signed URLs carry their secret there).
"""

from __future__ import annotations

import base64
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.cookies import RequestsCookieJar

from visomaster_host.fetch.part import BUFFER
from visomaster_host.text import Told, brief

REDIRECTS = (301, 302, 303, 307, 308)
RETRY = (408, 425, 429)
MAX_HOPS = 10


class Transient(Told):
    """Worth another try. `retry_after` is the server's wish in seconds; `busy` when it asked for fewer requests."""

    def __init__(self, message: str, *, retry_after: float | None = None, busy: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.busy = busy


class Permanent(Told):
    """Another try would get the same answer."""


class RangeRefused(Transient):
    """The server does not serve this range: ask for the whole file."""


def shown(url: str) -> str:
    """`url` as it may be printed: without user, password, query and fragment."""
    split = urlsplit(url)
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path, "", ""))


def origin(url: str) -> str:
    """Scheme, host and port: what credentials belong to."""
    split = urlsplit(url)
    port = split.port or {"http": 80, "https": 443}.get(split.scheme, 0)
    return f"{split.scheme}://{split.hostname}:{port}"


class _Adapter(HTTPAdapter):
    """Shares one TLS context: loading the system's certificates costs 20 ms and 1 MB for each connection otherwise."""

    def __init__(self, connections: int) -> None:
        bundle = _ca_bundle()
        folder = bundle if os.path.isdir(bundle) else None
        try:
            self._tls = ssl.create_default_context(cafile=None if folder else bundle, capath=folder)
        except OSError as error:
            raise Permanent(f"the certificates in {bundle} cannot be used: {error.strerror or error}") from None
        super().__init__(pool_connections=32, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._tls, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context already holds the certificates; requests would load them again for every connection."""
        conn.cert_reqs = "CERT_REQUIRED"


class _Https(BaseAdapter):
    """An `_Adapter` that is made for the first request: certificates are of no use to a mirror without TLS."""

    def __init__(self, connections: int) -> None:
        super().__init__()
        self._connections, self._lock = connections, threading.Lock()
        self._made: _Adapter | None = None

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        with self._lock:
            self._made = self._made or _Adapter(self._connections)
        return self._made.send(*args, **kwargs)

    def close(self) -> None:
        if self._made:
            self._made.close()


def _ca_bundle() -> str:
    """The CA file or folder requests would use: the environment's, else its own (on Debian the system's)."""
    return (
        os.environ.get("REQUESTS_CA_BUNDLE")
        or os.environ.get("CURL_CA_BUNDLE")
        or requests.utils.DEFAULT_CA_BUNDLE_PATH
    )


class _NoCookies(RequestsCookieJar):
    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keep none: they would travel between the threads' requests."""


class Client:
    """Opens ranges of files over HTTP; used by many threads at once.

    `credentials` maps an origin (`https://huggingface.co:443`) to a bearer token sent there and nowhere else.
    """

    def __init__(
        self,
        *,
        connections: int,
        connect_timeout: float = 10.0,
        stall_timeout: float = 20.0,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self.timeout = (connect_timeout, stall_timeout)
        self.credentials = dict(credentials or {})
        self.session = requests.Session()
        self.session.cookies = _NoCookies()
        # Without an auth of its own, requests sends what it finds in ~/.netrc.
        self.session.auth = lambda request: request
        self.session.mount("http://", HTTPAdapter(pool_connections=32, pool_maxsize=connections))
        self.session.mount("https://", _Https(connections))
        self._origins: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the idle connections."""
        self.session.close()

    def open(self, url: str, start: int | None, end: int | None = None) -> Body:
        """Request bytes `start` to `end` (exclusive; None: to the end) of `url`; the whole file when `start` is None.

        Returns the answer with its body unread. Raises Transient, RangeRefused or Permanent.
        """
        here, authorization = _split_credentials(url)
        at_origin = origin(here)
        for hop in range(MAX_HOPS):
            sent = authorization if origin(here) == at_origin else None
            response = self._send(here, self._headers(here, sent, start, end))
            if response.status_code not in REDIRECTS:
                body = _interpret(response, here, asked=start)
                body.resolved = here if hop and not sent else None
                return body
            location = response.headers.get("Location", "")
            response.close()
            if not location:
                raise Permanent(f"{shown(here)} redirects without saying where")
            here, _ = _split_credentials(urljoin(here, location))
        raise Permanent(f"{shown(url)} redirects more than {MAX_HOPS} times")

    def _headers(self, url: str, authorization: str | None, start: int | None, end: int | None) -> dict[str, str]:
        # identity: a compressed answer has another length and no usable ranges.
        headers = {"Accept-Encoding": "identity", "User-Agent": "visomaster-fetch"}
        if start is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        if token := self.credentials.get(origin(url)):
            headers["Authorization"] = f"Bearer {token}"
        elif authorization:
            headers["Authorization"] = authorization
        return headers

    def _settings(self, url: str) -> dict[str, Any]:
        """How the origin of `url` is reached: by which proxy, whom to trust. Worked out once, not for each request."""
        here = origin(url)
        with self._lock:
            if here not in self._origins:
                self._origins[here] = dict(self.session.merge_environment_settings(url, {}, True, None, None))
            return self._origins[here]

    def _send(self, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            request = self.session.prepare_request(requests.Request("GET", url, headers))
            return self.session.send(request, allow_redirects=False, timeout=self.timeout, **self._settings(url))
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Permanent(f"the TLS certificate of {urlsplit(url).hostname} is not trusted") from None
            raise Transient(f"TLS to {urlsplit(url).hostname} failed") from None
        except requests.exceptions.Timeout:
            raise Transient(f"no answer from {urlsplit(url).hostname} in time") from None
        except requests.exceptions.RequestException as error:
            if isinstance(error, ValueError):  # an invalid URL, scheme, proxy or header
                raise Permanent(f"not a usable URL: {shown(url)}") from None
            raise Transient(f"{urlsplit(url).hostname}: {_reason(error)}") from None
        except ValueError:
            raise Permanent(f"not a usable URL: {shown(url)}") from None


class Body:
    """The unread body of one answer.

    `start` is the offset of its first byte in the file, `total` the file's length (None when not said), `ranged`
    whether the server honoured the range, `url` where it came from in the end. `resolved` is that place when redirects
    led there and it wants no login: the next request may go there at once.
    """

    resolved: str | None = None

    def __init__(self, response: requests.Response, url: str, *, start: int, total: int | None, ranged: bool) -> None:
        self.url, self.start, self.total, self.ranged = url, start, total, ranged
        self.last_read = time.monotonic()
        self._response = response
        self._lock = threading.Lock()
        self._closed = False
        self._decoded: Iterator[bytes] | None = None
        if _encoded(response):
            self._decoded = response.raw.stream(BUFFER, decode_content=True)

    def read(self, size: int) -> bytes:
        """At most `size` bytes (a compressed answer: some), b"" at the end. Raises Transient."""
        try:
            if self._decoded is not None:
                data = next(self._decoded, b"")
            else:
                data = self._response.raw.read(size, decode_content=False)
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError):
            raise Transient(f"{urlsplit(self.url).hostname} stopped sending") from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Transient(f"the connection to {urlsplit(self.url).hostname} broke: {_reason(error)}") from None
        self.last_read = time.monotonic()
        return bytes(data)

    def close(self) -> None:
        """Drop the connection, or hand it back for reuse when the body was read to its end."""
        with self._lock:
            self._closed = True
            self._response.close()

    def abort(self) -> None:
        """From another thread: make a blocked read() return what has arrived, then fail."""
        with self._lock:
            if self._closed:
                return
            try:
                descriptor = os.dup(self._response.raw.fileno())
            except (OSError, ValueError, AttributeError):
                return  # read to its end already: the connection is back in the pool
        try:
            with socket.socket(fileno=descriptor) as connection:
                connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the peer was faster


def _encoded(response: requests.Response) -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity")


def _split_credentials(url: str) -> tuple[str, str | None]:
    """`url` without user and password, and the header made from them."""
    split = urlsplit(url)
    user, at, host = split.netloc.rpartition("@")
    if not at:
        return url, None
    token = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(split._replace(netloc=host)), f"Basic {token}"


def _interpret(response: requests.Response, url: str, *, asked: int | None) -> Body:
    """Make a Body of a 200 or 206; raise what any other answer means."""
    status = response.status_code
    try:
        if status == 206 and asked is not None:
            return _partial(response, url, asked)
        if status == 200:
            return _whole(response, url)
        where = f"{status} {brief(response.reason or '', 100)}".strip() + f" from {shown(url)}"
        if status == 416:
            raise RangeRefused(where)
        if status in RETRY or status >= 500 or status < 400:
            busy = status in (429, 503)
            raise Transient(where, retry_after=_retry_after(response.headers.get("Retry-After")), busy=busy)
        raise Permanent(where)
    except Exception:
        response.close()
        raise


def _partial(response: requests.Response, url: str, asked: int) -> Body:
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if not found or int(found[1]) > asked or _encoded(response):
        raise RangeRefused(f"{shown(url)} answered another range than the one asked for")
    total = None if found[3] == "*" else int(found[3])
    return Body(response, url, start=int(found[1]), total=total, ranged=True)


def _whole(response: requests.Response, url: str) -> Body:
    if response.headers.get("Content-Type", "").lower().startswith("text/html") and not url.endswith(".html"):
        raise Transient(f"{shown(url)} answered with a web page instead of the file")
    length = response.headers.get("Content-Length", "")
    known = length.isdecimal() and not _encoded(response) and "Transfer-Encoding" not in response.headers
    return Body(response, url, start=0, total=int(length) if known else None, ranged=False)


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header; its date form is rare and read as absent."""
    return float(value) if value is not None and value.strip().isdecimal() else None


def _reason(error: BaseException) -> str:
    """The innermost operating system message, or the kind of error: the full text would show URLs with secrets."""
    seen: list[BaseException] = [error]
    while len(seen) < 10:
        inner = seen[-1].__cause__ or seen[-1].__context__ or getattr(seen[-1], "reason", None)
        if not isinstance(inner, BaseException) and seen[-1].args:
            inner = next((arg for arg in seen[-1].args if isinstance(arg, BaseException)), None)
        if not isinstance(inner, BaseException) or inner in seen:
            break
        seen.append(inner)
    for item in reversed(seen):
        if isinstance(item, OSError) and item.strerror:
            return item.strerror
    return type(seen[-1]).__name__
