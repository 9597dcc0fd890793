"""PORTAL_CONFIG: what the portal offers beside the desktop, as Vast's string or as the guide's JSON.

String form, entries separated by "|", each `host:external:internal:path:Name`:
    external != internal  a local service, proxied under /<name>/ of the portal, which is the only public port
    external == internal  a service that has a public port of its own: a link to it, nothing is proxied
    internal == the portal's port  one of the portal's own pages

JSON form, `{"version": 2, "port": 11111, "services": [{"name": ..., "uri": ..., ...}]}`:
    "uri"      a page of ours (/desktop/, /files/, /vnc/, /logs/..., /status/), or the prefix of a proxied service
    "port"     the local port of a proxied service (an addition of ours; the guide's own services have none)
    "proto"    how that service is spoken to: "http" or "https"
    "rewrite"  true: the service does not see the prefix; false: it does; "base": it sees the whole path, with the
               portal's own base before the prefix, which `visomaster-credentials` prints (Jupyter with a base_url)
    "auth"     false: a proxied service answers without the portal's token. Our own pages never do.

The text comes from a web form on another site. Everything that reaches the Caddyfile is checked against a
narrow alphabet here, and whatever is not understood is refused by the name of its field.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from visomaster_host.choices import PORT, VNC_PORT, WEBSOCKET_PORT, Access
from visomaster_host.service import Service
from visomaster_host.text import Told

PORTAL_PORT = PORT[Access.PORTAL]
MAX_LENGTH = 8192
MAX_SERVICES = 32

_OWN_PAGE = re.compile(r"/|/desktop/|/files/|/vnc/|/status/|/logs/(supervisor/)?([A-Za-z0-9_-][A-Za-z0-9._-]*)?")
_PREFIX = re.compile(r"/[a-z0-9][a-z0-9_-]{0,39}")
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
_NAME = re.compile(r"\w[\w .()+&:/-]{0,39}")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_HOSTS = ("localhost", "127.0.0.1")
# A prefix of ours, or one that would hide a page of ours.
_OUR_PREFIXES = frozenset(
    {
        *(
            "/assets",
            "/desktop",
            "/files",
            "/health",
            "/login",
            "/logout",
            "/logs",
            "/origin",
            "/ready",
            "/status",
            "/vnc",
        ),
        "/websockify",
    }
)
# Local ports that are no web services for a person: VNC and websockify.
_OUR_PORTS = frozenset({VNC_PORT, PORT[Access.VNC], WEBSOCKET_PORT})

_SHORT = reprlib.Repr()  # for values of any depth, where repr would end in a RecursionError
_SHORT.maxstring = 80

T = TypeVar("T")


class ConfigError(Told, ValueError):
    """PORTAL_CONFIG cannot be used; the text is one line that names the field, what was expected and what was
    found.
    """

    def __init__(self, field: str, expected: str, value: object) -> None:
        shown, query, _ = _SHORT.repr(value).partition("?")  # an address's query may hold a secret
        shown = f"{shown[:57]}..." if query or len(shown) > 60 else shown
        super().__init__(f"{field}: expected {expected}, got {shown}")


@dataclass(frozen=True, kw_only=True)
class OwnPage:
    """A page of the portal itself; `path` is absolute, for example "/logs/x11vnc.log"."""

    name: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Proxied:
    """A service on 127.0.0.1:`port` that appears under `prefix` ("/jupyter"); a visit begins at `prefix` +
    `landing`. A service `with_base` sees what a browser in a session asks for, to the letter.
    """

    name: str
    prefix: str
    port: int
    landing: str = "/"
    scheme: str = "http"
    strip_prefix: bool = True
    with_base: bool = False
    auth: bool = True


@dataclass(frozen=True, kw_only=True)
class OtherPort:
    """A service with a public port of its own: only linked to."""

    name: str
    port: int
    path: str


Offer = OwnPage | Proxied | OtherPort  # (evaluated at import: needs Python 3.10, the oldest we serve)


@dataclass(frozen=True, kw_only=True)
class PortalConfig:
    """What the index page offers, in the order given."""

    services: tuple[Offer, ...]

    @property
    def proxied(self) -> tuple[Proxied, ...]:
        """Those services that Caddy has to know."""
        return tuple(service for service in self.services if isinstance(service, Proxied))


def offered(services: Iterable[Service]) -> PortalConfig:
    """What the portal of a host with these services offers when PORTAL_CONFIG says nothing: their links."""
    links = sorted((link for service in services for link in service.links), key=lambda link: link.place)
    return PortalConfig(services=tuple(OwnPage(name=link.name, path=link.path) for link in links))


def parse(text: str | None, offered: PortalConfig, portal_port: int = PORTAL_PORT) -> PortalConfig:
    """The portal described by `text`; None or blank means `offered`. `portal_port` is the one it listens on.

    Raises `ConfigError` for everything else that is not exactly one of the two forms.
    """
    text = (text or "").strip()
    if not text:
        return offered
    if len(text) > MAX_LENGTH:
        raise ConfigError("PORTAL_CONFIG", f"at most {MAX_LENGTH} characters", len(text))
    named = _parse_json(text, portal_port) if text.startswith("{") else _parse_entries(text, portal_port)
    _refuse_duplicates(named)
    return PortalConfig(services=tuple(service for _, service in named))


def _refuse_duplicates(named: list[tuple[str, Offer]]) -> None:
    if len(named) > MAX_SERVICES:
        raise ConfigError("PORTAL_CONFIG services", f"at most {MAX_SERVICES}", len(named))
    names: set[str] = set()
    prefixes: set[str] = set()
    for field, service in named:
        if service.name.casefold() in names:
            raise ConfigError(f"{field} name", "a name that no other service has", service.name)
        names.add(service.name.casefold())
        if isinstance(service, Proxied):
            if service.prefix in prefixes:
                raise ConfigError(f"{field} path", "a path that no other service has", service.prefix)
            prefixes.add(service.prefix)


# --- Vast's string form ---


def _parse_entries(text: str, portal_port: int) -> list[tuple[str, Offer]]:
    entries = text.split("|")
    fields = [f"PORTAL_CONFIG entry {number}" for number in range(1, len(entries) + 1)]
    return [(field, _parse_entry(field, entry, portal_port)) for field, entry in zip(fields, entries, strict=True)]


def _parse_entry(field: str, entry: str, portal_port: int) -> Offer:
    parts = entry.split(":", 4)  # as Vast's own portal splits it: a name may contain ":"
    if len(parts) != 5:
        raise ConfigError(field, "host:external:internal:path:Name", entry)
    host, external, internal, path, name = parts
    if host not in _HOSTS:
        raise ConfigError(f"{field} host", "localhost or 127.0.0.1", host)
    public, local = _port(f"{field} external port", external), _port(f"{field} internal port", internal)
    _match(_PATH, path, f"{field} path", "an absolute path of letters, digits and . _ ~ -")
    _name(f"{field} name", name)
    if local == portal_port:
        return OwnPage(name=name, path=_own_page(f"{field} path", path or "/"))
    _not_ours(f"{field} internal port", local)
    if public == local:
        return OtherPort(name=name, port=public, path=path or "/")
    return Proxied(name=name, prefix=_prefix_from(field, name), port=local, landing=path or "/")


def _port(field: str, text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > 65535:
        raise ConfigError(field, "a port from 1 to 65535", text)
    return int(text)


def _prefix_from(field: str, name: str) -> str:
    """The prefix of a service that only has a name: "Instance Portal" is served under /instance-portal."""
    prefix = "/" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return _prefix(f"{field} name", prefix, "a name with letters or digits that is not a page of the portal")


# --- the guide's JSON form ---


def _parse_json(text: str, portal_port: int) -> list[tuple[str, Offer]]:
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError("PORTAL_CONFIG", "JSON or host:external:internal:path:Name", text) from None
    top = _Fields("PORTAL_CONFIG", document, required={"version", "services"}, optional={"port"})
    top.one_of("version", (2,))
    # The guide's text may stay as it is on a portal with another port.
    top.one_of("port", tuple({portal_port: None, PORTAL_PORT: None}), default=portal_port)
    services = top.values["services"]
    if type(services) is not list or not services:
        raise ConfigError("PORTAL_CONFIG services", "a list with at least one service", services)
    fields = [f"PORTAL_CONFIG services[{index}]" for index in range(len(services))]
    return [
        (field, _parse_service(field, service, portal_port)) for field, service in zip(fields, services, strict=True)
    ]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key given twice is refused, or the reader and we might mean different ones."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError("PORTAL_CONFIG", "every key once", key)
    return dict(pairs)


def _parse_service(field: str, document: object, portal_port: int) -> Offer:
    service = _Fields(field, document, required={"name", "uri"}, optional={"port", "proto", "rewrite", "auth"})
    name = _name(f"{field}.name", service.text("name"))
    uri = service.text("uri")
    scheme = service.one_of("proto", ("http", "https"), default="http")
    rewrite = service.one_of("rewrite", (True, False, "base"), default=True)
    auth = service.one_of("auth", (True, False), default=True)
    if "port" not in service.values:
        if not auth:
            raise ConfigError(f"{field}.auth", "true: the portal's own pages always ask for the token", auth)
        return OwnPage(name=name, path=_own_page(f"{field}.uri", uri))
    port = service.values["port"]
    if type(port) is not int or not 0 < port < 65536:
        raise ConfigError(f"{field}.port", "a port from 1 to 65535", port)
    if port == portal_port:
        raise ConfigError(f"{field}.port", "the port of another service than the portal", port)
    _not_ours(f"{field}.port", port)
    prefix = _prefix(
        f"{field}.uri",
        uri.removesuffix("/"),
        "one path segment such as /jupyter/ that is not a page of the portal",
    )
    if rewrite == "base" and not auth:
        raise ConfigError(f"{field}.auth", 'true: with "rewrite": "base" the service is part of a session', auth)
    strip, base = rewrite is True, rewrite == "base"
    return Proxied(name=name, prefix=prefix, port=port, scheme=scheme, strip_prefix=strip, with_base=base, auth=auth)


class _Fields:
    """A JSON object whose keys are known; the getters name the field they refuse."""

    def __init__(self, field: str, document: object, *, required: set[str], optional: set[str]) -> None:
        if type(document) is not dict:
            raise ConfigError(field, "a JSON object", document)
        for key in sorted(required - document.keys()):
            raise ConfigError(field, f'the key "{key}"', sorted(document))
        for key in sorted(document.keys() - required - optional):
            raise ConfigError(field, f"only the keys {', '.join(sorted(required | optional))}", key)
        self.field, self.values = field, document

    def text(self, key: str) -> str:
        value = self.values[key]
        if type(value) is not str:
            raise ConfigError(f"{self.field}.{key}", "a text", value)
        return value

    def one_of(self, key: str, choices: tuple[T, ...], default: T | None = None) -> T:
        """The value of `key`, which must be one of `choices` and of its type: 1 is not true."""
        value = self.values.get(key, default)
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        expected = " or ".join(json.dumps(choice) for choice in choices)
        raise ConfigError(f"{self.field}.{key}", expected, value)


# --- values both forms share ---


def _match(pattern: re.Pattern[str], value: str, field: str, expected: str) -> str:
    if not pattern.fullmatch(value):
        raise ConfigError(field, expected, value)
    return value


def _name(field: str, name: str) -> str:
    return _match(
        _NAME,
        name,
        field,
        "1 to 40 letters, digits, spaces or . ( ) + & : / -, beginning with a letter or digit",
    )


def _own_page(field: str, path: str) -> str:
    return _match(
        _OWN_PAGE,
        path,
        field,
        'a page of the portal (/desktop/, /files/, /vnc/, /logs/..., /status/), or a "port" for another service',
    )


def _prefix(field: str, prefix: str, expected: str) -> str:
    if prefix in _OUR_PREFIXES:
        raise ConfigError(field, expected, prefix)
    return _match(_PREFIX, prefix, field, expected)


def _not_ours(field: str, port: int) -> None:
    if port in _OUR_PORTS:
        raise ConfigError(field, "the port of a web service (the desktop is at /desktop/ and /vnc/)", port)
