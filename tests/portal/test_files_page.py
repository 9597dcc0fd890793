"""The page of files as a person meets it: videos in, results out, whatever happens on the way.

PORTAL_TEST_PICTURES=FOLDER keeps the pictures.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.portal import browser, rig
from tests.portal.files_rig import (
    Line,
    Service,
    address,
    choose,
    digest,
    drop,
    made,
    opened,
    press,
    ready,
    root,
    row,
    same,
    sent,
    served,
    uploads,
)

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
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A portal with the folders that a start makes, and its service as a process of its own."""
    folder = tmp_path_factory.mktemp("files")
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal, served(portal) as service:
        for name in ("in", "out", "state"):
            (root(portal) / name).mkdir(parents=True, exist_ok=True)
        yield service


@pytest.fixture
def files(service: Service) -> rig.Portal:
    """Its portal."""
    return service.portal


def arrived(page: Page, name: str) -> None:
    expect(row(page, name)).to_have_class(re.compile("done"))


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
    video = made(tmp_path, "reloaded.mp4", 16)
    asked, warned = list[str](), list[str]()
    with opened(chromium, files) as page:
        page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
        page.on("request", lambda request: asked.append(request.headers.get("upload-offset", "")))
        line = Line(page)
        line.slow(4)
        choose(page, video)
        sent(files, video.name, 4 * MB)
        page.reload()
        browser.wait_for(page, "'ready' in document.body.dataset")
        assert warned == ["beforeunload"]
        left = page.locator("#unfinished > li")
        expect(left).to_contain_text("choose the file again")
        browser.save(page, PICTURES, "files-unfinished")
        asked.clear()
        with page.expect_file_chooser() as chooser:
            left.get_by_role("button", name="Choose").click()
        line.free()
        chooser.value.set_files(str(video))
        arrived(page, video.name)
        expect(left).to_have_count(0)
    offsets = [int(offset) for offset in asked if offset]
    assert offsets and min(offsets) > 4 * MB
    assert same(video, root(files) / "in" / video.name)


def test_a_service_that_is_killed_costs_no_more_than_a_pause(
    chromium: Browser, service: Service, tmp_path: Path
) -> None:
    """The page says that the line is lost and when it tries again, and goes on by itself."""
    video = made(tmp_path, "killed.mp4", 16)
    files = service.portal
    with browser.page(chromium, complain=False) as page:
        ready(page, address(files))
        line = Line(page)
        line.slow(4)
        choose(page, video)
        sent(files, video.name)
        service.kill()
        expect(row(page, video.name)).to_contain_text("trying again in")
        browser.save(page, PICTURES, "files-lost")
        line.free()
        service.start()
        arrived(page, video.name)
    assert same(video, root(files) / "in" / video.name)


def test_a_disk_that_fills_up_is_told_and_waited_for(chromium: Browser, service: Service, tmp_path: Path) -> None:
    """Before anything is sent, with figures; and in the middle, from where it goes on by itself."""
    video, late = made(tmp_path, "full.mp4", 16), made(tmp_path, "late.mp4", 1)
    files = service.portal
    with browser.page(chromium, complain=False) as page:
        ready(page, address(files))
        line = Line(page)
        line.slow(4)
        choose(page, video)
        sent(files, video.name)
        service.full.touch()
        expect(row(page, video.name)).to_contain_text("Disk full")
        expect(row(page, video.name)).to_contain_text("more are needed")
        browser.save(page, PICTURES, "files-full")
        choose(page, late)
        expect(page.locator("#told")).to_contain_text("This does not fit: 1.0 MB are needed, there is room for 0 B")
        assert row(page, late.name).count() == 0
        line.free()
        service.full.unlink()
        arrived(page, video.name)
    assert same(video, root(files) / "in" / video.name)


def test_pause_resume_and_cancel(chromium: Browser, files: rig.Portal, tmp_path: Path) -> None:
    """Paused, nothing moves; cancelled, nothing of it stays."""
    video, other = made(tmp_path, "paused.mp4", 12), made(tmp_path, "cancelled.mp4", 12)
    with opened(chromium, files) as page:
        line = Line(page)
        line.slow(1)
        choose(page, video, other)
        rig.wait_until(lambda: len(uploads(files)) == 2, "both have begun")
        press(page, "Pause", video)
        press(page, "Cancel", other)
        rig.wait_until(lambda: len(uploads(files)) == 1, "one is gone")
        expect(row(page, video.name)).to_contain_text("Paused")
        [before] = uploads(files)
        browser.save(page, PICTURES, "files-paused")
        line.free()
        press(page, "Resume", video)
        arrived(page, video.name)
        assert before["name"] == video.name
        press(page, "Clear", other)
        expect(row(page, other.name)).to_have_count(0)
    assert same(video, root(files) / "in" / video.name)
    assert not (root(files) / "in" / other.name).exists()
    assert uploads(files) == []


def test_dropped_folders_come_as_they_are(chromium: Browser, files: rig.Portal, tmp_path: Path) -> None:
    """However many files are in one; what systems leave there does not, and what is there already is asked for."""
    trip = tmp_path / "trip"
    (trip / "day one/deep").mkdir(parents=True)
    (trip / ".hidden").write_text("no")
    for number in range(150):
        (trip / "day one" / f"{number}.jpg").write_bytes(os.urandom(2000))
    (trip / "day one/deep/empty.txt").write_text("")
    alone = made(tmp_path, "alone.mp4", 1)
    with opened(chromium, files) as page:
        drop(page, ".drop", trip, alone)
        arrived(page, "trip")
        arrived(page, alone.name)
        expect(row(page, "trip")).to_contain_text("151 files")
        expect(page.locator("#told")).to_have_text("1 hidden file left out.")
        browser.save(page, PICTURES, "files-folder")
        drop(page, ".drop", trip)
        page.get_by_role("button", name="Skip them").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        choose(page, alone)
        page.get_by_role("button", name="Keep both").click()
        expect(row(page, alone.name)).to_have_count(2)
        expect(row(page, alone.name).last).to_contain_text("alone (2).mp4")
    there = {str(path.relative_to(trip)): digest(path) for path in trip.rglob("*.*") if path.is_file()}
    there.pop(".hidden")
    inside = root(files) / "in/trip"
    assert {str(path.relative_to(inside)): digest(path) for path in inside.rglob("*.*") if path.is_file()} == there


def test_all_of_it_by_keyboard(chromium: Browser, files: rig.Portal, tmp_path: Path) -> None:
    """A video up, a folder made, the video renamed and moved there, the folder deleted after a question."""
    video = made(tmp_path, "keys.mp4", 1)
    (root(files) / "in" / "old.mp4").write_bytes(b"x")
    with opened(chromium, files) as page:
        press = page.keyboard.press
        page.get_by_role("button", name="Choose videos").focus()
        with page.expect_file_chooser() as chooser:
            press("Enter")
        chooser.value.set_files(str(video))
        arrived(page, video.name)
        page.locator("#manager > summary").focus()
        press("Enter")
        page.get_by_role("button", name="in", exact=True).focus()
        press("Enter")
        page.get_by_role("button", name="New folder").focus()
        press("Enter")
        page.keyboard.type("mine")
        press("Enter")
        page.get_by_label("Choose mine", exact=True).wait_for()
        page.get_by_label("Choose keys.mp4", exact=True).focus()
        press("Space")
        page.get_by_role("button", name="Rename").focus()
        press("Enter")
        page.keyboard.type("renamed.mp4")
        press("Enter")
        page.get_by_label("Choose renamed.mp4").focus()
        press("Space")
        page.get_by_role("button", name="Move").focus()
        press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="mine").focus()
        press("Enter")
        page.get_by_role("dialog").get_by_text("Into: Files / in / mine").wait_for()
        browser.save(page, PICTURES, "files-move")
        page.get_by_role("button", name="Move here").focus()
        press("Enter")
        rig.wait_until((root(files) / "in/mine/renamed.mp4").exists, "the video has moved")
        page.get_by_label("Choose mine").focus()
        press("Space")
        page.get_by_role("button", name="Delete", exact=True).focus()
        press("Enter")
        assert page.evaluate("document.activeElement.textContent") == "Cancel"
        press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert (root(files) / "in/mine").exists()
        page.get_by_role("button", name="Delete", exact=True).focus()
        press("Enter")
        press("Tab")
        press("Enter")
        rig.wait_until(lambda: not (root(files) / "in/mine").exists(), "the folder is gone")
    assert (root(files) / "in/old.mp4").exists()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [SMALL_PHONE, browser.DESKTOP], ids=["phone", "desktop"])
def test_names_are_only_ever_text(chromium: Browser, files: rig.Portal, size: dict[str, int], dark: bool) -> None:
    """Nothing of them runs, and the page is no wider than the window; what is downloaded is the file."""
    for name in HOSTILE:
        (root(files) / "out" / name).write_bytes(name.encode())
    look = f"{'phone' if size is SMALL_PHONE else 'desktop'}-{'dark' if dark else 'light'}"
    with opened(chromium, files, size=size, dark=dark) as page:
        for name in HOSTILE:
            page.get_by_label(f"Download {name}", exact=True).wait_for()
        page.locator("#manager > summary").click()
        page.get_by_role("button", name="out", exact=True).click()
        page.locator("#manager-rows").get_by_text(HOSTILE[0]).wait_for()
        browser.save(page, PICTURES, f"files-{look}")
        assert browser.fits(page)
        with page.expect_download() as download:
            page.get_by_label(f"Download {HOSTILE[0]}", exact=True).click()
        assert Path(download.value.path()).read_bytes() == HOSTILE[0].encode()
        assert page.title() == "Files · VisoMaster"
    for name in HOSTILE:
        (root(files) / "out" / name).unlink()


def test_who_is_logged_out_goes_on_after_a_login_in_another_tab(
    chromium: Browser, files: rig.Portal, tmp_path: Path
) -> None:
    """What is being sent waits for it; nothing is sent twice from the beginning."""
    video = made(tmp_path, "session.mp4", 16)
    with browser.page(chromium, complain=False) as page:
        ready(page, address(files))
        line = Line(page)
        line.slow(4)
        choose(page, video)
        sent(files, video.name)
        session = page.url.split("/")[3]
        cookies = {cookie["value"] for cookie in page.context.cookies(page.url)}
        for cookie in cookies:
            files.sessions.end(f"{session.removeprefix('~')}.{cookie}")
        expect(page.get_by_role("alert")).to_contain_text("You are logged out")
        browser.save(page, PICTURES, "files-logged-out")
        line.free()
        with page.context.expect_page() as tab:
            page.get_by_role("link", name="Log in").click()
        tab.value.get_by_label("Token").fill(rig.TOKEN)
        tab.value.get_by_role("button", name="Log in").click()
        arrived(page, video.name)
        expect(page.get_by_text("You are logged out")).to_have_count(0)
    assert same(video, root(files) / "in" / video.name)


def test_many_files_are_one_line(chromium: Browser, files: rig.Portal, tmp_path: Path) -> None:
    """A folder of some hundred small files needs a few seconds; one of ten thousand is shown at once."""
    many = tmp_path / "many"
    many.mkdir()
    for number in range(300):
        (many / f"{number}.bin").write_bytes(os.urandom(500))
    full = root(files) / "in/full"
    full.mkdir()
    for number in range(10_000):
        (full / f"{number:05}.jpg").touch()
    with opened(chromium, files) as page:
        page.set_input_files("#choose-folder", str(many))
        arrived(page, "many")
        assert page.locator("#transfers > li").count() == 1
        page.locator("#manager > summary").click()
        page.get_by_role("button", name="in", exact=True).click()
        page.get_by_role("button", name="full", exact=True).click()
        page.get_by_text("00000.jpg").wait_for()
        assert page.locator("#manager-rows tr").count() < 1000
        page.get_by_label("Find a name in this folder").fill("09999")
        page.get_by_label("Choose 09999.jpg").check()
        page.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        rig.wait_until(lambda: not (full / "09999.jpg").exists(), "it is gone")
    assert len(list((root(files) / "in/many").iterdir())) == 300


@pytest.mark.parametrize(
    ("size", "dark"), [(SMALL_PHONE, True), (browser.DESKTOP, False)], ids=["phone-dark", "desktop-light"]
)
def test_the_index_tells_of_the_files(
    chromium: Browser, service: Service, size: dict[str, int], dark: bool, tmp_path: Path
) -> None:
    """The room left, what is on its way, and the newest results, to be taken home at once."""
    files = service.portal
    result = root(files) / "out" / "result.mp4"
    result.write_bytes(b"result")
    os.utime(result, (time.time() - 60,) * 2)
    with opened(chromium, files) as sender, browser.page(chromium, size=size, dark=dark) as page:
        line = Line(sender)
        line.slow(2)
        video = made(tmp_path, "on-its-way.mp4", 24)
        choose(sender, video)
        sent(files, video.name)
        page.goto(address(files, "/"))
        card = page.get_by_role("region", name="Files")
        expect(card).to_contain_text("on the way")
        expect(card).to_contain_text("room for")
        browser.save(page, PICTURES, f"index-{size['width']}-{'dark' if dark else 'light'}")
        assert browser.fits(page)
        with page.expect_download() as download:
            card.get_by_role("link", name="Download result.mp4").click()
        assert Path(download.value.path()).read_bytes() == b"result"
        press(sender, "Cancel", video)
        rig.wait_until(lambda: uploads(files) == [], "it is cancelled")


def test_an_index_without_the_service_is_an_index(chromium: Browser, service: Service) -> None:
    """One quiet line, and all the rest as ever."""
    service.kill()
    try:
        with browser.page(chromium, complain=False) as page:
            page.goto(address(service.portal, "/"))
            expect(page.get_by_role("region", name="Files")).to_contain_text("No word of the files at the moment.")
            expect(page.locator("#ready")).to_have_text("ready")
    finally:
        service.start()


def test_what_the_program_keeps_goes_home_and_comes_back(chromium: Browser, files: rig.Portal, tmp_path: Path) -> None:
    """As one file; before it is brought back the page shows what that would change, and asks."""
    kept = root(files) / "state/sandbox"
    kept.mkdir()
    for name in ("changed.json", "gone.json", "same.json"):
        (kept / name).write_text(f"{name} at home")
    with opened(chromium, files) as page:
        page.get_by_text("Leave this box").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Take everything home").click()
        home = tmp_path / download.value.suggested_filename
        download.value.save_as(home)
        (kept / "changed.json").write_text("of this machine")
        (kept / "gone.json").unlink()
        drop(page, ".drop", home)
        row(page, home.name).get_by_role("button", name="Bring it back").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("1 new")
        expect(dialog).to_contain_text("1 replaced; what is here now is kept beside")
        expect(dialog).to_contain_text("1 the same as here")
        browser.save(page, PICTURES, "files-bring-back")
        dialog.get_by_role("button", name="Bring it back").click()
        expect(dialog).to_contain_text("2 files are back")
        dialog.get_by_role("button", name="Good").click()
    assert (kept / "changed.json").read_text() == "changed.json at home"
    assert (kept / "gone.json").read_text() == "gone.json at home"
    assert any(path.read_text() == "of this machine" for path in root(files).rglob("*changed*") if path.is_file())


def test_the_workspace_of_last_time_is_opened_after_a_question(chromium: Browser, service: Service) -> None:
    """What is not saved would be lost: no is the first answer."""
    with browser.page(chromium) as page:
        page.goto(address(service.portal, "/"))
        again = page.get_by_role("button", name="Open it again")
        again.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("What is not saved in it now is lost.")
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        assert not service.asked.exists()
        again.click()
        dialog.get_by_role("button", name="Start the program anew").click()
        expect(page.get_by_text("The program is being started anew.")).to_be_visible()
        assert service.asked.exists()
