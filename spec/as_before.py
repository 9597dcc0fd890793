"""What a host stays where nobody says what it is to be."""

from __future__ import annotations

from collections.abc import Mapping

from visomaster_host.choices import PORT, TLS_PORT, Access, Screen
from visomaster_host.host import Host

from spec.settings import DEFAULT_APPLICATION, DEFAULT_VARIANT
from spec.variant import VARIANTS


def as_before(host: Host | None, given: Mapping[str, object]) -> dict[str, object]:
    """The settings of a deploy that `given` does not have, as the `host` has them; empty where it was nothing before,
    or where all of them are what a deploy without them makes of it.

    Another variant than before has its own ports: those of a host of another kind of access are not kept.
    """
    if host is None:
        return {}
    variant = next(one for one in VARIANTS.values() if (one.access, one.models) == (host.access, host.models))
    found: dict[str, object] = {"application": host.application, "variant": variant.name, "screen": str(host.screen)}
    wanted = VARIANTS.get(str(given.get("variant", variant.name)))
    if wanted is None or wanted.access is host.access:
        found["port"] = host.port
        if host.access is Access.PORTAL:
            found["tls_port"] = host.tls_port
    named = {"application": DEFAULT_APPLICATION, "variant": DEFAULT_VARIANT, "screen": str(Screen.TIGERVNC)}
    plain = {**named, "port": PORT[host.access], "tls_port": TLS_PORT}
    return {field: value for field, value in found.items() if field not in given and value != plain[field]}


def told(kept: Mapping[str, object]) -> str:
    """The line about what is `kept`."""
    pairs = [f"{field}={value}" for field, value in kept.items()]
    return f"stays as it is: {', '.join(pairs)}; --data changes it"
