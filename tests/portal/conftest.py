"""One portal for all tests that only look at it, a browser, and a portal with a neighbour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import tools
from tests.portal import browser, hostile, rig
from tests.portal.street import Street, enter, novnc_of_the_distribution

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

HOSTS = ("127.0.0.1", "localhost")


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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    neighbour, service = hostile.neighbour(), rig.StandIn()
    config = f"localhost:{neighbour.port}:{neighbour.port}:/lab:Neighbour|localhost:1:{service.port}:/:Service"
    wanted = rig.wanted(token=rig.TOKEN, container_label="C.12345", portal_config=config)
    with novnc_of_the_distribution(), rig.running(tmp_path_factory.mktemp("street"), wanted) as portal:
        assert portal.prepared.notices == ()
        yield Street(portal=portal, neighbour=neighbour, service=service, host="")
    neighbour.close()
    service.close()


@pytest.fixture(params=HOSTS)
def street(request: pytest.FixtureRequest, built: Street) -> Street:
    """Both, before anything was heard."""
    built.host = request.param
    built.neighbour.heard.clear()
    built.neighbour.cookies.clear()
    return built


@pytest.fixture
def owner(chromium: Browser, street: Street) -> Iterator[BrowserContext]:
    """A browser whose person came by the link with the token."""
    with browser.visitor(chromium) as context:
        enter(context.new_page(), street)
        yield context
