"""The distribution releases a host may run, and what their packages are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from visomaster_host.enums import StrEnum

from spec.fields import one_of


class Release(StrEnum):
    """A supported distribution release, as `ID-VERSION_ID` of os-release(5)."""

    BOOKWORM = "debian-12"
    TRIXIE = "debian-13"
    JAMMY = "ubuntu-22.04"
    NOBLE = "ubuntu-24.04"

    @classmethod
    def of(cls, os_release: Mapping[str, object] | None) -> Release:
        """The release that `os_release` (the fields of /etc/os-release, lower case keys) describes.

        Raises `ValueError` naming the release found and the supported ones.
        """
        fields = os_release or {}
        found = f"{fields.get('id', 'unknown')}-{fields.get('version_id', 'unknown')}"
        try:
            return cls(found)
        except ValueError:
            raise ValueError(f"distribution release: {found!r} is not supported, expected {one_of(cls)}") from None


_TIME64: Mapping[str, str] = MappingProxyType(
    {name: f"{name}t64" for name in ("libglib2.0-0", "libimlib2", "liborc-0.4-0")}
)
# The 64-bit time_t transition renamed libraries. The old names resolve through Provides, so apt would take them,
# but dpkg never lists them as installed and every run would install again.

_RENAMED: Mapping[Release, Mapping[str, str]] = MappingProxyType({Release.TRIXIE: _TIME64, Release.NOBLE: _TIME64})


def package_names(names: Iterable[str], release: Release) -> tuple[str, ...]:
    """The names that `release` uses for packages given by their Debian 12 names, sorted, each once."""
    renamed = _RENAMED.get(release, {})
    return tuple(sorted({renamed.get(name, name) for name in names}))
