"""Uploads while what they go through is killed, the disk is full, the power may go: whole in the end, never a part."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tusclient.exceptions import TusUploadFailed

from bench.bad_line import BadLine, bad_line
from sandbox import tools
from tests.drills import files_order
from tests.portal import browser, files_process, rig
from tests.portal.files_clients import OurPage, TusJs, killable, tuspy, wait_until
from tests.portal.files_process import BUFFERED, MIB, content, moments, service, sha256, watching

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SEED = 1313
KILLS = 10


@pytest.fixture(scope="module", autouse=True)
def looking_glass() -> None:
    """Caddy, a browser and what else these tests need."""
    tools.provide()


@pytest.fixture
def film(tmp_path: Path) -> tuple[Path, bytes]:
    """A file on the person's machine and what is in it."""
    path, data = tmp_path / "film.mp4", content(24 * MIB + 4711, 13)
    path.write_bytes(data)
    return path, data


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[rig.Portal]:
    """A portal of its own."""
    with rig.running(tmp_path, rig.wanted(token=rig.TOKEN)) as running:
        yield running


@pytest.fixture
def line(portal: rig.Portal) -> Iterator[BadLine]:
    """A line on which the film takes some seconds; it is not cut."""
    with bad_line(f"127.0.0.1:{portal.port}", rate=60e6, round_trip=0.02, cut=600) as one:
        yield one


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


def kill(one: files_process.Service | files_process.Caddy, dice: random.Random) -> None:
    """kill -9, and started again within half a second, as supervisord does."""
    one.end()
    time.sleep(dice.uniform(0, 0.5))
    one.start()


def test_killed_at_ten_moments(portal: rig.Portal, line: BadLine, chromium: Browser, film: tuple[Path, bytes]) -> None:
    """The service and Caddy by turns: tus-js-client in a browser goes on by itself."""
    path, data = film
    arriving, dice = portal.folder / "workspace/in", random.Random(SEED)
    with (
        service(portal) as files,
        files_process.caddy(portal) as caddy,
        watching(arriving, data),
        browser.page(chromium, complain=False) as page,
    ):
        page.goto(f"http://127.0.0.1:{line.port}/?token={portal.wanted.token}")
        client = TusJs(page=page)
        client.choose(path)
        client.start(page.url.partition(f":{line.port}")[2].rstrip("/"), piece=2 * MIB)
        for number, moment in enumerate(moments(len(data), KILLS, SEED)):
            rig.wait_until(lambda moment=moment: line.forth.carried > moment, f"{moment} bytes", 60)
            kill(caddy if number % 2 else files, dice)
        client.finish(90)
    assert sha256((arriving / path.name).read_bytes()) == sha256(data)


@pytest.mark.parametrize("victim", ["service", "caddy", "browser"])
def test_the_page_goes_on_after_ten_kills(
    portal: rig.Portal, line: BadLine, chromium: Browser, film: tuple[Path, bytes], victim: str
) -> None:
    """By itself; after those of the browser when the same file is chosen again. It never says that a part is all."""
    path, data = film
    arriving, dice = portal.folder / "workspace/in", random.Random(SEED)
    origin = f"http://{browser.ELSEWHERE}:{line.port}"
    with ExitStack() as stack:
        files = stack.enter_context(service(portal))
        caddy = stack.enter_context(files_process.caddy(portal))
        stack.enter_context(watching(arriving, data))
        visitor = stack.enter_context(killable(chromium))
        for moment in [*moments(len(data), KILLS, SEED), None]:
            if visitor.page.url == "about:blank":
                page = OurPage(page=visitor.page)
                page.open(origin)
                page.choose(path)
            if moment is None:
                break
            wait_until(visitor.page, lambda moment=moment: line.forth.carried > moment, f"{moment} bytes", 60)
            assert visitor.page.locator("#transfers > li.done").count() == 0
            if victim == "browser":
                visitor.end()
                visitor = stack.enter_context(killable(chromium))
            else:
                kill(files if victim == "service" else caddy, dice)
        page.finish(120)
    assert sha256((arriving / path.name).read_bytes()) == sha256(data)


def test_the_page_over_a_line_that_is_cut(
    portal: rig.Portal, chromium: Browser, film: tuple[Path, bytes], tmp_path: Path
) -> None:
    """As `bench.files --line` measures it, at another scale."""
    path, data = film
    arriving = portal.folder / "workspace/in"
    with (
        service(portal),
        watching(arriving, data),
        bad_line(f"127.0.0.1:{portal.port}", rate=20e6, round_trip=0.02, cut=2) as line,
        browser.page(chromium, complain=False) as opened,
    ):
        page = OurPage(page=opened)
        page.open(f"http://{browser.ELSEWHERE}:{line.port}")
        page.choose(path)
        page.finish(120)
        assert line.cuts >= 3
        assert line.forth.carried - len(data) < (line.cuts + 1) * (line.on_its_way + BUFFERED)
    assert sha256((arriving / path.name).read_bytes()) == sha256(data)


MOUNTS = {
    "tmpfs": 'mount -t tmpfs -o size=48m,mode=755 none "$0"',
    "ext4": 'truncate -s 64M "$0.img" && mkfs.ext4 -q -m 0 "$0.img" && mount -o loop "$0.img" "$0"',
}


@pytest.mark.parametrize("kind", MOUNTS)
def test_a_disk_that_fills_up_in_the_middle(
    portal: rig.Portal, film: tuple[Path, bytes], tmp_path: Path, kind: str
) -> None:
    """Somebody else fills it; what was confirmed stays, and the upload ends when there is room again."""
    path, data = film
    root = tmp_path / "small"
    root.mkdir()
    before = ("unshare", "--mount", "sh", "-c", f'{MOUNTS[kind]} && exec "$@"', str(root))
    with service(portal, root, before) as files:
        assert files.process is not None
        inside = Path(f"/proc/{files.process.pid}/root{root}")
        with watching(inside / "in", data):
            client = tuspy(portal, path, chunk_size=2 * MIB, retry_delay=0.2)
            client.upload(6 * MIB)
            files_process.fill(inside / "ballast", left=MIB)
            with pytest.raises(TusUploadFailed) as full:
                tuspy(portal, path, url=client.url, retries=0).upload_chunk()
            assert full.value.status_code == 507
            ended = files_process.beside(client.upload)
            assert not ended.wait(1)
            assert 6 * MIB <= client.get_offset() < 8 * MIB
            (inside / "ballast").unlink()
            assert ended.wait(30)
        assert sha256((inside / "in" / path.name).read_bytes()) == sha256(data)


def test_what_is_confirmed_outlives_the_power(portal: rig.Portal, film: tuple[Path, bytes], tmp_path: Path) -> None:
    """In the order of the system calls: written, on the disk, and only then said to be there; so is its name."""
    path, data = film
    root, log = portal.folder / "workspace", tmp_path / "trace"
    with service(portal, before=(*files_order.STRACE, str(log))) as files:
        tuspy(portal, path, chunk_size=8 * MIB, metadata={"folder": "in/trip/one"}).upload()
        files.end(signal.SIGTERM)  # strace has written all down then
    assert sha256((root / "in/trip/one" / path.name).read_bytes()) == sha256(data)
    aside = root / ".uploads/done"  # for a client that missed the last answer; what it tells is there by itself
    assert files_order.promises(log, root, aside, 201) == [{}]
    *pieces, last = files_order.promises(log, root, aside, 204)
    assert pieces == [{}] * 3
    assert {path for path in last if not path.endswith(".pieces")} == set()  # of no use any more
