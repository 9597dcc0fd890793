"""noVNC on Xtigervnc, as they are on a host: the desktop follows the window, and carries all characters both ways."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.portal import browser, pictures, rig
from tests.portal.test_desktop import PUT, UNPACKED, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DISPLAY = ":39"
GREETING = "Grüße 東京 😀 €"
SIZES = ((1600, 900), (1000, 700), (1920, 1080), (1366, 654))
FIELD = "document.getElementById('noVNC_clipboard_text').value"
BOX = f"(box => [box.width, box.height])(document.querySelector('{pictures.CANVAS}').getBoundingClientRect())"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    """A portal before Xtigervnc on a unix socket, with a terminal on its screen."""
    folder = tmp_path_factory.mktemp("follows")
    environment = {**os.environ, "PYTHONPATH": str(UNPACKED / "usr/lib/python3/dist-packages")}
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("PORTAL_TEST_NOVNC", str(UNPACKED / "usr/share/novnc"))
        patch.setenv("DISPLAY", DISPLAY)

        def start(*command: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / f"{Path(command[0]).name}.log").open("ab"))
            process = subprocess.Popen(command, env=environment | {"DISPLAY": DISPLAY}, stdout=log, stderr=log)
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            return process

        made = stack.enter_context(rig.running(folder, rig.wanted(token=rig.TOKEN)))
        socket = rig.sockets(folder) / "vnc.sock"
        x = ("-geometry", "1920x1080", "-depth", "24", "-nolisten", "tcp", "-noreset", "-AlwaysShared")
        rfb = ("-rfbport", "-1", "-rfbunixpath", str(socket), "-SecurityTypes", "None", "-UseBlacklist=0")
        start("Xtigervnc", DISPLAY, *x, *rfb, "-AcceptSetDesktopSize")
        until(lambda: size() is not None and socket.exists(), "Xtigervnc")
        made.websockify.close()
        port = made.websockify.port
        target = ("--unix-target", str(socket))
        rig.wait_for_port(port, start("/usr/bin/python3", "-m", "websockify", *target, f"127.0.0.1:{port}"))
        start("xterm", "-geometry", "100x30+100+100", "-fs", "14", "-e", "sh")
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def page(chromium: Browser, portal: rig.Portal) -> Iterator[Page]:
    """The desktop at an address without TLS, as the index leads there."""
    with browser.page(chromium, size={"width": 1280, "height": 720}, complain=False) as opened:
        opened.goto(f"http://{browser.ELSEWHERE}:{portal.port}/?token={rig.TOKEN}")
        opened.get_by_role("link", name="Open the desktop").click()
        follows(opened, (1280, 720), 30)
        yield opened


def size() -> tuple[int, int] | None:
    """Width and height of the desktop, None where there is none."""
    done = subprocess.run(["xdpyinfo"], capture_output=True, text=True, check=False)
    found = re.search(r"dimensions: +(\d+)x(\d+) ", done.stdout)
    return (int(found[1]), int(found[2])) if found else None


def follows(page: Page, wanted: tuple[int, int], seconds: float = 30) -> float:
    """How long it took until the desktop, and the picture of it in `page`, had this size."""
    took = until(lambda: size() == wanted, f"a desktop of {wanted}", seconds)
    browser.wait_for(page, f"document.querySelector('{pictures.CANVAS}')?.width === {wanted[0]}")
    browser.wait_for(page, f"document.querySelector('{pictures.CANVAS}').height === {wanted[1]}")
    return took


def test_the_desktop_follows_the_window(page: Page) -> None:
    """Up and down; each pixel of it is one of the page's."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        took = follows(page, (width, height))
        print(f"{width}x{height}: followed in {took:.2f} s")
        assert page.evaluate(BOX) == [width, height]
    shown = pictures.of_canvas(page)
    dump = subprocess.run(["xwd", "-root", "-silent"], capture_output=True, check=True)
    assert pictures.colours(shown) > 1
    assert pictures.difference(shown, pictures.from_xwd(dump.stdout)) < 0.01


def test_a_phones_window_shows_a_desktop_that_the_program_fits_into(chromium: Browser, portal: rig.Portal) -> None:
    """It has the window's shape and is seen whole, upright and turned."""
    with browser.page(chromium, size=browser.PHONE, complain=False) as phone:
        phone.goto(f"http://{browser.ELSEWHERE}:{portal.port}/vnc/?token={rig.TOKEN}")
        for window, wanted in (((390, 844), (800, 1731)), ((844, 390), (1298, 600)), ((390, 844), (800, 1731))):
            phone.set_viewport_size({"width": window[0], "height": window[1]})
            follows(phone, wanted)
            assert phone.evaluate(BOX) == pytest.approx(window, abs=1)


def test_all_characters_are_carried_both_ways(page: Page) -> None:
    page.evaluate(PUT, GREETING)
    until(lambda: pasted() == GREETING, "pasting")
    command = ["xclip", "-selection", "clipboard", "-i", "-quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as owner:
        try:
            assert owner.stdin is not None
            owner.stdin.write(f"from {GREETING}".encode())
            owner.stdin.close()
            until(lambda: page.evaluate(FIELD) == f"from {GREETING}", "copying")
        finally:
            owner.terminate()


def pasted() -> str:
    """What a program of the desktop would paste."""
    command = ["xclip", "-selection", "clipboard", "-o", "-t", "UTF8_STRING"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).stdout.decode("utf-8", "replace")


def test_fewer_colours_for_a_slow_line_and_back(page: Page) -> None:
    """By what the page offers when the desktop appears; the desktop is still the window's."""
    for name, quality in (("Show fewer colours", "2"), ("Show all", None)):
        page.reload()
        page.locator("#visomaster_colours").get_by_role("link", name=name).click()
        browser.wait_for(page, f"new URLSearchParams(location.search).get('quality') === {json.dumps(quality)}")
        follows(page, SIZES[-1])
