"""One portal for all tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import tools
from tests.portal import rig


@pytest.fixture(scope="session", autouse=True)
def looking_glass() -> None:
    """Caddy, noVNC, a browser and what else these tests need."""
    tools.provide()


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    """A portal with its default services on an instance with a name, some logs written."""
    folder = tmp_path_factory.mktemp("portal")
    (folder / "log").mkdir()
    (folder / "supervisor").mkdir()
    (folder / "log/visomaster_app.log").write_text("started\n", encoding="utf-8")
    (folder / "log/x11vnc.log").write_text("listening\n", encoding="utf-8")
    (folder / "supervisor/xvfb.log").write_text("screen\n", encoding="utf-8")
    (folder / "secret.txt").write_text("the-secret-beside-the-logs", encoding="utf-8")
    (folder / "log/link.log").symlink_to(folder / "secret.txt")
    (folder / "log/.hidden.log").write_text("hidden", encoding="utf-8")
    with rig.running(folder, rig.wanted(token=rig.TOKEN, container_label="C.12345")) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place of its own for a portal that a test starts."""
    return tmp_path
