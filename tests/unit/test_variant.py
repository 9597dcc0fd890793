"""The variants table is the guide's."""

from __future__ import annotations

import pytest
from visomaster_host.choices import Access, ModelsAt

from spec.variant import VARIANTS

GUIDE = [
    ("default", Access.VNC, ModelsAt.BUILD, 5901, ("latest", "abc")),
    ("alt", Access.PORTAL, ModelsAt.BUILD, 11111, ("portal-latest", "portal-abc")),
    ("s-def", Access.PORTAL, ModelsAt.START, 11111, ("small-latest", "small-abc")),
    ("s-alt", Access.PORTAL, ModelsAt.START, 11111, ("small-portal-latest", "small-portal-abc")),
]


@pytest.mark.parametrize(("name", "access", "models", "port", "tags"), GUIDE)
def test_variant_is_as_in_the_guide(
    name: str, access: Access, models: ModelsAt, port: int, tags: tuple[str, ...]
) -> None:
    variant = VARIANTS[name]
    assert (variant.access, variant.models, variant.port, variant.tags("abc")) == (access, models, port, tags)


def test_no_variant_beside_the_guide() -> None:
    assert list(VARIANTS) == [row[0] for row in GUIDE]


def test_s_alt_is_the_host_s_def() -> None:
    """Two published names, one host: every layer is shared."""
    assert VARIANTS["s-alt"].host is VARIANTS["s-def"]
    assert [variant.name for variant in VARIANTS.values() if variant.host is variant] == ["default", "alt", "s-def"]
