"""The page of files as a person meets it: videos in, results out, whatever happens on the way.

PORTAL_TEST_PICTURES=FOLDER keeps the pictures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.portal import browser, rig
from tests.portal.files_rig import address, choose, digest, made, opened, ready, root, same, served, slow, uploads

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

PICTURES = Path(os.environ["PORTAL_TEST_PICTURES"]) if "PORTAL_TEST_PICTURES" in os.environ else None
SMALL_PHONE = {"width": 360, "height": 740}
MB = 1_000_000
HOSTILE = [
    "<img src=x onerror=document.title='run'>.mp4",
    "\u202egnp.4pm evil \u202d.mp4",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd.mp4",
    "a" * 240 + ".mp4",
    "100% ?a=b&c#d;e+f 'g' \"h\".mp4",
    "%2e%2e%2fup.mp4",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    """A portal with the folders that a start makes."""
    folder = tmp_path_factory.mktemp("files")
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal:
        for name in ("in", "out", "state"):
            (root(portal) / name).mkdir(parents=True, exist_ok=True)
        yield portal


def row(page: Page, name: str) -> Any:
    """What the page shows of the upload called `name`."""
    return page.locator("#transfers > li").filter(has=page.get_by_text(name, exact=True))


def arrived(page: Page, name: str) -> None:
    expect(row(page, name)).to_have_class(re.compile("done"), timeout=20_000)


@pytest.mark.parametrize("secure", [False, True], ids=["in-the-clear", "tls"])
def test_a_file_arrives_whole(chromium: Browser, files: rig.Portal, tmp_path: Path, secure: bool) -> None:
    """Checked piece by piece where the browser can, and its sha256 is there to be copied."""
    video = made(tmp_path, f"holiday-{secure}.mp4", 20)
    asked: list[Request] = []
    with opened(chromium, files, secure=secure, host="127.0.0.1" if secure else browser.ELSEWHERE) as page:
        page.on("request", lambda request: asked.append(request) if request.method == "PATCH" else None)
        choose(page, video)
        arrived(page, video.name)
        row(page, video.name).locator("summary").click()
        expect(row(page, video.name).locator("code")).to_have_text(digest(video))
    assert same(video, root(files) / "in" / video.name)
    assert int((root(files) / "in" / video.name).stat().st_mtime) == int(video.stat().st_mtime)
    assert [("upload-checksum" in request.headers) for request in asked] == [secure] * len(asked)
    assert len(asked) >= 2


def test_a_reloaded_page_goes_on_where_it_was(chromium: Browser, files: rig.Portal, tmp_path: Path) -> None:
    """The tab is not closed without a word; and the file, chosen again, is not sent again."""
    video = made(tmp_path, "reloaded.mp4", 24)
    asked, warned = list[str](), list[str]()
    with opened(chromium, files) as page:
        page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
        page.on("request", lambda request: asked.append(request.headers.get("upload-offset", "")))
        slow(page, 8)
        choose(page, video)
        rig.wait_until(lambda: any(int(each["offset"]) > 4 * MB for each in uploads(files)), "4 MB are there", 20)  # type: ignore[call-overload]
        page.reload()
        browser.wait_for(page, "'ready' in document.body.dataset")
        assert warned == ["beforeunload"]
        left = page.locator("#unfinished > li")
        expect(left).to_contain_text("choose the file again")
        browser.save(page, PICTURES, "files-unfinished")
        asked.clear()
        with page.expect_file_chooser() as chooser:
            left.get_by_role("button", name="Choose").click()
        slow(page, 0)
        chooser.value.set_files(str(video))
        arrived(page, video.name)
        expect(left).to_have_count(0)
    offsets = [int(offset) for offset in asked if offset]
    assert offsets and min(offsets) > 4 * MB
    assert same(video, root(files) / "in" / video.name)


def test_a_service_that_is_killed_costs_no_more_than_a_pause(
    chromium: Browser, files: rig.Portal, tmp_path: Path
) -> None:
    """The page says that the line is lost and when it tries again, and goes on by itself."""
    video = made(tmp_path, "killed.mp4", 24)
    with served(files) as service, browser.page(chromium, complain=False) as page:
        ready(page, address(files))
        slow(page, 10)
        choose(page, video)
        rig.wait_until(lambda: any(int(each["offset"]) > MB for each in uploads(files)), "a part is there", 20)  # type: ignore[call-overload]
        service.kill()
        expect(row(page, video.name)).to_contain_text("trying again in", timeout=20_000)
        browser.save(page, PICTURES, "files-lost")
        slow(page, 0)
        service.start()
        arrived(page, video.name)
    assert same(video, root(files) / "in" / video.name)
