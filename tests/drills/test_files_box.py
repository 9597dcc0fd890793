"""An upload into a container that is killed again and again, and starts anew with its volume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from visomaster_host import paths

from bench.bad_line import bad_line
from sandbox import desktop
from tests.e2e.browser_portal import Portal, portal, until, visitor
from tests.e2e.machine import docker
from tests.portal import browser
from tests.portal.files_clients import OurPage, wait_until
from tests.portal.files_process import MIB, content, moments, sha256, watching

SEED = 4242
KILLS = 10
TOKEN = "sixteen-or-more-characters"


@pytest.fixture
def volume() -> Iterator[str]:
    """A volume of the engine's, for this test alone."""
    name = f"drill-{uuid4().hex[:12]}"
    docker("volume", "create", name)
    yield name
    docker("volume", "rm", "--force", name)


def answers(box: Portal) -> bool:
    """Whether the portal and the service behind it do."""
    try:
        return box.get("/files/api/summary", {"Authorization": f"Bearer {TOKEN}"}).status == 200
    except (OSError, AssertionError):
        return False


def test_killed_with_its_container_at_ten_moments(volume: str, tmp_path: Path) -> None:
    """The page goes on by itself, with the login that it has; the volume shows no part under a name at any moment."""
    path, data = tmp_path / "film.mp4", content(24 * MIB + 4711, 13)
    path.write_bytes(data)
    arriving = Path(docker("volume", "inspect", "--format", "{{.Mountpoint}}", volume), "in")
    options = (f"--volume={volume}:{paths.WORKSPACE}", f"--env=OPEN_BUTTON_TOKEN={TOKEN}")
    with portal(desktop.bake("alt"), *options) as box, watching(arriving, data), visitor() as chromium:
        until(lambda: answers(box), "the portal")
        with (
            bad_line(f"127.0.0.1:{box.port}", rate=60e6, round_trip=0.02, cut=600) as line,
            browser.page(chromium, complain=False) as opened,
        ):
            page = OurPage(page=opened)
            page.open(f"http://{browser.ELSEWHERE}:{line.port}", TOKEN)
            page.choose(path)
            for moment in moments(len(data), KILLS, SEED):
                wait_until(opened, lambda moment=moment: line.forth.carried > moment, f"{moment} bytes", 120)
                docker("kill", box.name)
                docker("start", box.name)
                line.address = f"127.0.0.1:{box.port}"
            page.finish(120)
        assert sha256((arriving / path.name).read_bytes()) == sha256(data)
        owner = box.output("stat", "--format=%U", f"{paths.WORKSPACE}/in/{path.name}").strip()
        assert owner == "visomaster"
