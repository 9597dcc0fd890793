from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from visomaster_host import paths

from tests.fetch.faults import Site, serving
from tests.fetch.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An empty store, an empty manifest and a server."""
    for name in ("MODELS_DIR", "VISOMASTER_MIRRORS", "HF_TOKEN", "http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "VERIFIED", tmp_path / "verified")
    site = Site()
    with serving(site) as base:
        yield World(tmp_path, site, base)
