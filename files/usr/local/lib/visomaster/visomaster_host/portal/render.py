"""The part of Caddy's configuration that depends on PORTAL_CONFIG, and what the pages need to know of it.

Everything else is the committed Caddyfile, which imports the file rendered here. Names never reach it: only
prefixes and ports do, and `config` has checked those against an alphabet without a special character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from visomaster_host.portal.config import OwnPage, PortalConfig, Proxied, Service


def services_file(config: PortalConfig, cookie: str) -> str:
    """The snippets `services_open` and `services_behind_login`, which the Caddyfile imports. `cookie` is
    ours.
    """
    groups = {
        "services_open": [service for service in config.proxied if not service.auth],
        "services_behind_login": [service for service in config.proxied if service.auth],
    }
    return "\n".join(_snippet(name, services, cookie) for name, services in groups.items())


def _snippet(name: str, services: list[Proxied], cookie: str) -> str:
    # Caddy warns about an empty snippet, so each begins with a harmless line.
    blocks = "".join(_service(service, cookie) for service in services)
    return f"({name}) {{\n\tvars {name} {len(services)}\n{blocks}}}\n"


def _service(service: Proxied, cookie: str) -> str:
    """One service. It sees neither our cookie nor our login, and its own host name, which is what it checks
    Origin by.
    """
    upstream = f"127.0.0.1:{service.port}"
    itself = re.escape(f"://{upstream}")
    back = service.prefix if service.strip_prefix else ""
    proxy = [
        f"header_up Host {upstream}",
        f'header_up Origin "^.*$" "{service.scheme}://{upstream}"',
        f'header_up Cookie "(^|; *){re.escape(cookie)}=[^;]*" "$1-portal="',
        f'header_down Location "^(?:https?{itself})?(/[^/].*|/)$" "{back}$1"',
        "header_down -Server",
    ]
    if service.scheme == "https":
        proxy.append("transport http {\n\ttls_insecure_skip_verify\n}")  # it is on loopback and self-signed
    body = ["import without_login", _block(f"reverse_proxy {service.scheme}://{upstream}", proxy)]
    handle = "handle_path" if service.strip_prefix else "handle"
    lines = f"redir {service.prefix} {service.prefix}/ 308\n" + _block(f"{handle} {service.prefix}/*", body)
    return _indented(lines) + "\n"


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


def _link(service: Service, outside_ports: Mapping[str, str]) -> dict[str, object]:
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
