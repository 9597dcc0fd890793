"""The part of Caddy's configuration that depends on PORTAL_CONFIG, and what the pages need to know of it.

Everything else is the committed Caddyfile, which imports the file rendered here. Names never reach it: only
prefixes and ports do, and `config` has checked those against an alphabet without a special character.
"""

from __future__ import annotations

from collections.abc import Mapping

from visomaster_host.login import cookie_pattern
from visomaster_host.portal.config import Offer, OwnPage, PortalConfig, Proxied

_CLOSED_AFTERWARDS = ["@visitor not header Upgrade *", "header @visitor Connection close"]
"""Who has no login keeps no connection."""

_NOT_FORWARDED = [f"header_up -{name}" for name in ("X-Forwarded-*", "Forwarded", "X-Real-Ip", "X-Original-*")]
"""What a proxy before us, or Caddy, says of the outside: a service that believes it finds that Host and Origin are of
elsewhere, and names places that we cannot translate."""

_COOKIES = (
    # Caddy takes an empty replacement for none at all, and sets the header to what it should look for.
    'header_down Set-Cookie "(?i); *domain=[^;]*(;|$)" "$1"',
    # `flags` and `sites` are what the Caddyfile has set for this request: the groups found, or what replaces them.
    'header_down Set-Cookie "(?i)((?:; *(?:secure|partitioned))+)(;|$)" "{http.vars.flags}$2"',
    'header_down Set-Cookie "(?i); *samesite=(none)" "; SameSite={http.vars.sites}"',
)
"""A service's cookies are for whatever host it was asked by; without TLS a browser refuses `Secure` ones, and with them
what is for all sites."""


def services_file(config: PortalConfig, cookie: str) -> str:
    """The snippets `services_open`, `services_behind_login` and `services_by_referer`, which the Caddyfile imports.
    `cookie` is ours.
    """
    groups = {
        "services_open": [service for service in config.proxied if not service.auth],
        "services_behind_login": [service for service in config.proxied if service.auth],
    }
    snippets = {name: [_service(service, cookie) for service in services] for name, services in groups.items()}
    # A service that knows its prefix writes links to it from the host's root: such a request goes into the session.
    known = [each for each in groups["services_behind_login"] if not (each.strip_prefix or each.with_base)]
    snippets["services_by_referer"] = [_into_session(service) for service in known]
    return "\n".join(_snippet(name, blocks) for name, blocks in snippets.items())


def _snippet(name: str, blocks: list[str]) -> str:
    # Caddy warns about an empty snippet, so each begins with a harmless line.
    return f"({name}) {{\n\tvars {name} {len(blocks)}\n{''.join(blocks)}}}\n"


def _into_session(service: Proxied) -> str:
    matcher = service.prefix.strip("/") + "_in_session"
    conditions = [f"path {service.prefix}/*", "header_regexp from Referer ^https?://[^/]+/~([A-Za-z0-9_-]{22})/"]
    redirect = f"redir @{matcher} /~{{re.from.1}}{{http.request.uri}} 307"
    return _indented(_block(f"@{matcher}", conditions) + "\n" + redirect) + "\n"


def _service(service: Proxied, cookie: str) -> str:
    """One service. It sees neither our cookie nor our login, and its own host name, which is what it checks
    Origin and Referer by. What it says of places on this host, a visitor finds below the session's path.
    """
    upstream = f"127.0.0.1:{service.port}"
    proxy = [
        f"header_up Host {upstream}",
        f'header_up Origin "^.*$" "{service.scheme}://{upstream}"',
        *_NOT_FORWARDED,
        f'header_up Cookie "(^|; *){cookie_pattern(cookie)}=[^;]*" "$1-portal="',
        *_places(service, upstream),
        *_COOKIES,
        "header_down -Server",
    ]
    # What one visitor leaves unread in a connection must not meet another one's request.
    transport = ["keepalive off"]
    if service.scheme == "https":
        transport.append("tls_insecure_skip_verify")  # it is on loopback and self-signed
    proxy.append(_block("transport http", transport))
    # Behind the login that is done for all.
    for_strangers = [] if service.auth else ["import without_login", *_CLOSED_AFTERWARDS]
    body = [*for_strangers, _block(f"reverse_proxy {service.scheme}://{upstream}", proxy)]
    if service.with_base:
        body.insert(0, "rewrite * /{env.PORTAL_BASE}{http.request.uri}")
    handle = "handle_path" if service.strip_prefix else "handle"
    lines = f"redir {service.prefix} {service.prefix[1:]}/ 308\n" + _block(f"{handle} {service.prefix}/*", body)
    return _indented(lines) + "\n"


def _places(service: Proxied, upstream: str) -> list[str]:
    """How places on this host are translated: a visitor's in Referer, the service's in Location and Set-Cookie."""
    own_host = rf"(?:https?:)?//(?:127\.0\.0\.1|localhost):{service.port}"
    if service.with_base:
        return [
            f'header_up Referer "^https?://[^/]+" "{service.scheme}://{upstream}"',
            f'header_down Location "^{own_host}(?:/|$)" "/"',
        ]
    place = f"(?:{service.prefix}(/.*)|/.*)?" if service.strip_prefix else "(/.*)?"
    back = "/{http.vars.base}" + (f"{service.prefix[1:]}/" if service.strip_prefix else "")
    return [
        f'header_up Referer "^https?://[^/]+(?:/~[A-Za-z0-9_-]{{22}})?{place}$" "{service.scheme}://{upstream}$1"',
        f'header_down Location "^(?:{own_host}(?:/(.*))?|/([^/].*|))$" "{back}$1$2"',
        f'header_down Set-Cookie "(?i)(; *path=)/" "$1{back}"',
    ]


def _block(head: str, lines: list[str]) -> str:
    inside = "\n".join(_indented(line) for line in lines)
    return f"{head} {{\n{inside}\n}}"


def _indented(text: str) -> str:
    return "\n".join(f"\t{line}" for line in text.splitlines())


def links(config: PortalConfig, outside_ports: Mapping[str, str] | None = None) -> list[dict[str, object]]:
    """What the index page shows, in order: a name with either an `href` relative to the index, or a `port`
    and `path`. `outside_ports` says under which ports others are published.
    """
    return [_link(service, outside_ports or {}) for service in config.services]


def _link(service: Offer, outside_ports: Mapping[str, str]) -> dict[str, object]:
    if isinstance(service, OwnPage):
        # Relative, and never empty: an empty href would keep a query that the index was opened with.
        return {"name": service.name, "kind": "page", "href": "." + service.path}
    if isinstance(service, Proxied):
        href = "." + service.prefix + service.landing
        return {
            "name": service.name,
            "kind": "service",
            "href": href,
            "port": service.port,
            "auth": service.auth,
        }
    port = int(outside_ports.get(str(service.port), service.port))
    return {"name": service.name, "kind": "port", "port": port, "path": service.path}
