"""One locked package, fetched as a wheel: so comes what installs all else. Standard library only."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import io
import netrc
import os
import platform
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

from operations.remote.uv_environment import (
    address,
    authority_file,
    proxy_of,
    seconds_to_wait,
    trusted_hosts,
    without_login,
)

TRIES = 3
_LARGEST = 200 * 1024 * 1024
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PLATFORM = {"darwin": r"macosx_\d+_\d+"}.get(sys.platform, r"manylinux(?:_\d+_|20)\d+")


class NotFetched(Exception):
    """Why there is no wheel, in one line."""


def fetch_wheel(locked: str, index: str, said: Mapping[str, str]) -> zipfile.ZipFile:
    """The wheel for this machine of the one package of the set `locked`, from `index` (a URL, or `default`).

    `said` is what the box says to pip. Raises `NotFetched`.
    """
    found = _PIN.search(locked)
    if found is None:
        raise NotFetched("bad request: expected one package with its version and hashes")
    name, version = found.groups()
    opener, seconds = _opener(index, said), seconds_to_wait(said)
    url = _address_of(opener, f"{address(index, said).rstrip('/')}/{name}/", (name, version), seconds)
    wheel = _fetched(opener, url, seconds)
    if hashlib.sha256(wheel).hexdigest() not in _DIGEST.findall(locked):
        raise NotFetched(f"{name}=={version}: its sha256 is not the one that is locked")
    return zipfile.ZipFile(io.BytesIO(wheel))


def _fits(file: str, name: str, version: str) -> bool:
    """Whether a file is the wheel of that package for this machine and Python: one for every Python 3, or one for the
    stable interface of this or an older one. Every release supported has a newer glibc than wheels ask for."""
    stem = rf"{re.sub('[-_.]+', '[-_.]+', name)}-{re.escape(version)}"
    found = re.fullmatch(rf"{stem}-(?:py3-none|cp3(\d+)-abi3)-(?:any|{_PLATFORM}_{platform.machine()}\b.*)\.whl", file)
    return found is not None and int(found[1] or 0) <= sys.version_info.minor


class _Links(html.parser.HTMLParser):
    """The addresses that a page of an index links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _address_of(opener: urllib.request.OpenerDirector, page: str, wanted: tuple[str, str], seconds: int) -> str:
    """Where an index's page of a package (PEP 503) has the wheel of the name and version `wanted` for this machine."""
    links = _Links()
    links.feed(_fetched(opener, page, seconds).decode("utf-8", "replace"))
    for link in links.found:
        path = urllib.parse.unquote(urllib.parse.urlsplit(link).path)
        if _fits(path.rpartition("/")[2], *wanted):
            return _with_login(urllib.parse.urljoin(page, link).partition("#")[0], page)
    raise NotFetched(f"{without_login(page)} has no {'=='.join(wanted)} for {platform.machine()}")


def _with_login(url: str, page: str) -> str:
    """`url` with the login of `page`, where it is of the same server."""
    one, other = urllib.parse.urlsplit(url), urllib.parse.urlsplit(page)
    login = other.netloc.rpartition("@")[0]
    same = (one.scheme, one.hostname, one.port) == (other.scheme, other.hostname, other.port)
    return one._replace(netloc=f"{login}@{one.netloc}").geturl() if login and same and "@" not in one.netloc else url


def _opener(index: str, said: Mapping[str, str]) -> urllib.request.OpenerDirector:
    """What fetches as pip would: the box's proxy and authorities, and its certificate for the servers."""
    trusts = authority_file(said)
    try:
        folder = trusts is not None and Path(trusts).is_dir()
        context = ssl.create_default_context(cafile=None if folder else trusts, capath=trusts if folder else None)
        if certificate := said.get("client-cert"):
            context.load_cert_chain(certificate)
    except OSError as error:
        raise NotFetched(f"{trusts or said.get('client-cert')}: cannot be read as certificates: {error}") from None
    host = urllib.parse.urlsplit(address(index, said))
    if {host.hostname, f"{host.hostname}:{host.port}"} & set(trusted_hosts(index, said)):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxy = proxy_of(said)
    proxies = urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else None)
    return urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=context))


def _fetched(opener: urllib.request.OpenerDirector, url: str, seconds: int) -> bytes:
    """The body at `url`, whose login goes in a header. Raises `NotFetched` when the last try fails."""
    shown = without_login(url)
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            with opener.open(_request(url), timeout=seconds) as answer:
                body: bytes = answer.read(_LARGEST)
                if answer.length:  # what was announced and did not come
                    raise OSError("the connection was cut")
                return body
        except urllib.error.HTTPError as error:
            if last or error.code < 500:
                raise NotFetched(f"{shown} answers {error.code} {error.reason}") from None
        except (OSError, ValueError) as error:
            if last:
                reason = getattr(error, "reason", None) or error
                why = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None) or reason
                raise NotFetched(f"{shown} cannot be reached: {why}") from None
    raise AssertionError("the last try returns or raises")


def _request(url: str) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("expected http or https")
    request = urllib.request.Request(without_login(url), headers={"Accept": "text/html, */*;q=0.1"})  # noqa: S310
    if parts.username is not None:
        login = (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or ""))
    else:
        login = _of_netrc(parts.hostname or "")
    if any(login):
        encoded = base64.b64encode(":".join(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")  # unredirected: for this server alone
    return request


def _of_netrc(host: str) -> tuple[str, str]:
    """The login that the box's .netrc has for `host`, as pip and uv take it; empty words where it has none."""
    try:
        found = netrc.netrc(os.environ.get("NETRC")).hosts.get(host)
    except (OSError, netrc.NetrcParseError):
        found = None
    return (found[0] or "", found[2] or "") if found else ("", "")
