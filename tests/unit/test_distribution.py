"""Releases, and what they call their packages."""

from __future__ import annotations

import pytest

from spec.distribution import Release, package_names


def test_a_supported_release_is_recognised() -> None:
    assert Release.of({"id": "ubuntu", "version_id": "24.04"}) is Release.NOBLE


@pytest.mark.parametrize("fields", [{"id": "debian", "version_id": "11"}, {"id": "alpine"}, {}, None])
def test_an_unsupported_release_is_refused_by_name(fields: dict[str, object] | None) -> None:
    with pytest.raises(ValueError, match=r"^distribution release: '.+' is not supported, expected one of: debian-12,"):
        Release.of(fields)


def test_names_of_the_64_bit_time_transition() -> None:
    """The old name would be taken by apt and never be seen as installed by dpkg."""
    assert package_names(["libglib2.0-0", "git", "git"], Release.TRIXIE) == ("git", "libglib2.0-0t64")
    assert package_names(["libglib2.0-0"], Release.BOOKWORM) == ("libglib2.0-0",)
