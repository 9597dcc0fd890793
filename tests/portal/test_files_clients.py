"""Uploads by clients that others wrote, over lines that fail: the whole file is there in the end, and never a part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.bad_line import bad_line
from tests.portal import browser, rig
from tests.portal.files_clients import PIECE, TusJs, tuspy
from tests.portal.files_process import BUFFERED, MIB, content, service, sha256, watching

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def arriving(portal: rig.Portal) -> Path:
    """Where uploads arrive."""
    return portal.folder / "workspace/in"


@pytest.fixture
def film(tmp_path: Path) -> tuple[Path, bytes]:
    """A file on the person's machine, whose name is of this test alone, and what is in it."""
    path, data = tmp_path / f"{tmp_path.name}.mp4", content(8 * MIB + 4711, 13)
    path.write_bytes(data)
    return path, data


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("way", ["plain", "tls"])
def test_tuspy_sends_a_file(portal: rig.Portal, arriving: Path, film: tuple[Path, bytes], way: str) -> None:
    """With the checksums that it makes."""
    path, data = film
    origin = f"https://127.0.0.1:{portal.tls_port}" if way == "tls" else ""
    with watching(arriving / way, data):
        tuspy(
            portal, path, origin=origin, metadata={"folder": f"in/{way}"}, verify_tls_cert=False, upload_checksum=True
        ).upload()
    assert sha256((arriving / way / path.name).read_bytes()) == sha256(data)


def test_tuspy_goes_on_where_it_was(folder: Path, film: tuple[Path, bytes]) -> None:
    """The service is killed in between, and the client starts anew with what it has kept."""
    path, data = film
    store, arriving = folder / "kept.json", folder / "workspace/in"
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal, service(portal) as files, watching(arriving, data):
        tuspy(portal, path, store=store).upload(3 * PIECE)
        files.end()
        assert portal.inside("/files/api/uploads/").status == 503
        files.start()
        again = tuspy(portal, path, store=store)
        assert again.offset == 3 * PIECE
        again.upload()
    assert sha256((arriving / path.name).read_bytes()) == sha256(data)


def test_tus_js_over_a_line_that_is_cut(
    portal: rig.Portal, chromium: Browser, arriving: Path, film: tuple[Path, bytes]
) -> None:
    """Every connection is reset after 0.7 s, a piece takes longer: what has arrived of it counts."""
    path, data = film
    with (
        watching(arriving, data),
        bad_line(f"127.0.0.1:{portal.port}", rate=40e6, round_trip=0.02, cut=0.7) as line,
        browser.page(chromium, complain=False) as page,
    ):
        page.goto(f"http://127.0.0.1:{line.port}/?token={portal.wanted.token}")
        client = TusJs(page=page)
        client.choose(path)
        client.start(page.url.partition(f":{line.port}")[2].rstrip("/"))
        client.finish(60)
        assert line.cuts >= 2
        assert line.forth.carried - len(data) < (line.cuts + 1) * (line.on_its_way + BUFFERED)
    assert sha256((arriving / path.name).read_bytes()) == sha256(data)
