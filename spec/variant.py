"""The four variants of the guide: two choices (access, and when models arrive) under four published names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from visomaster_host.choices import PORT, TLS_PORT, Access, ModelsAt


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One published name of a host.

    `tag_prefix` precedes `latest` and the commit's hash in image tags, as the guide names them.
    """

    name: str
    access: Access
    models: ModelsAt
    tag_prefix: str

    @property
    def port(self) -> int:
        """The public TCP port."""
        return PORT[self.access]

    @property
    def tls_port(self) -> int:
        """The public TCP port on which a portal speaks TLS; 0 without a portal."""
        return TLS_PORT if self.access is Access.PORTAL else 0

    @property
    def ports(self) -> tuple[int, ...]:
        """All public TCP ports."""
        return tuple(port for port in (self.port, self.tls_port) if port)

    def tags(self, commit: str | None = None) -> tuple[str, ...]:
        """The image tags: the moving one, then the one of `commit` (a hash) when given."""
        return tuple(f"{self.tag_prefix}{suffix}" for suffix in ("latest", commit) if suffix)

    @property
    def host(self) -> Variant:
        """The first variant that is the same host: `s-alt` is `s-def` under another name."""
        return next(v for v in VARIANTS.values() if (v.access, v.models) == (self.access, self.models))


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.name: variant
        for variant in (
            Variant(name="default", access=Access.VNC, models=ModelsAt.BUILD, tag_prefix=""),
            Variant(name="alt", access=Access.PORTAL, models=ModelsAt.BUILD, tag_prefix="portal-"),
            Variant(name="s-def", access=Access.PORTAL, models=ModelsAt.START, tag_prefix="small-"),
            Variant(name="s-alt", access=Access.PORTAL, models=ModelsAt.START, tag_prefix="small-portal-"),
        )
    }
)
