"""The guide's desktop in the browser: noVNC, websockify, x11vnc and Xvfb as they are on a host, with a terminal to type
into.

PORTAL_TEST_UNPACKED=FOLDER is where noVNC and websockify were unpacked to (operations/debian_files.py).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from visomaster_host.choices import Screen
from visomaster_host.services.x11vnc import NO_IPV6, TUNING

from sandbox import tools
from tests.portal import browser, pictures, rig

if TYPE_CHECKING:
    from playwright.sync_api import Page

UNPACKED = Path(os.environ.get("PORTAL_TEST_UNPACKED", tools.UNPACKED))
DISPLAY = ":79"
PUT = """text => {
    const field = document.getElementById("noVNC_clipboard_text");
    field.value = text;
    field.dispatchEvent(new Event("change"));
}"""


@dataclass(kw_only=True)
class Desktop:
    """The running desktop; `x11vnc` is the process of that name."""

    portal: rig.Portal
    environment: dict[str, str]
    start_x11vnc: Callable[[], subprocess.Popen[bytes]]
    x11vnc: subprocess.Popen[bytes]

    def picture(self) -> pictures.Image.Image:
        """The screen as it is on the host."""
        dump = subprocess.run(["xwd", "-root", "-silent"], env=self.environment, capture_output=True, check=True)
        return pictures.from_xwd(dump.stdout)

    def pasted(self) -> str:
        """What a program of the desktop would paste."""
        command = ["xclip", "-selection", "clipboard", "-o", "-t", "UTF8_STRING"]
        done = subprocess.run(command, env=self.environment, capture_output=True, timeout=60, check=False)
        return done.stdout.decode("utf-8", "replace")


def until(condition: Callable[[], bool], what: str, seconds: float = 40) -> float:
    """Wait for `condition`; returns the seconds it took. Raises `AssertionError` when they are over."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if condition():
            return time.monotonic() - begin
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """Everything of the desktop but the window manager, in processes of its own."""
    folder = tmp_path_factory.mktemp("desktop")
    os.environ["PORTAL_TEST_NOVNC"] = str(UNPACKED / "usr/share/novnc")
    environment = {
        **os.environ,
        "DISPLAY": DISPLAY,
        "PYTHONPATH": str(UNPACKED / "usr/lib/python3/dist-packages"),
        # Else x11vnc waits 8 s for a display manager to be gone, 45 s without a window manager, and drops
        # what is pasted.
        "X11VNC_AVOID_WINDOWS": "never",
    }
    rfb = rig.free_port()
    with ExitStack() as stack:

        def start(*command: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / f"{Path(command[0]).name}.log").open("ab"))
            process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            return process

        def x11vnc() -> subprocess.Popen[bytes]:
            where = ("-display", DISPLAY, "-rfbport", str(rfb), "-localhost", "-nopw")
            process = start("x11vnc", *where, *TUNING, *NO_IPV6)
            rig.wait_for_port(rfb, process)
            return process

        start("Xvfb", DISPLAY, "-screen", "0", "1920x1080x24", "-nolisten", "tcp", "-noreset")
        answers = ["xdpyinfo", "-display", DISPLAY]
        until(lambda: subprocess.run(answers, capture_output=True, check=False).returncode == 0, "Xvfb")
        start("xterm", "-geometry", "100x30+100+100", "-fs", "14", "-e", "sh")
        vnc = x11vnc()
        with rig.running(folder, rig.wanted(token=rig.TOKEN), screen=Screen.GUIDE) as portal:
            portal.websockify.close()
            port = portal.websockify.port
            rig.wait_for_port(
                port, start("/usr/bin/python3", "-m", "websockify", f"127.0.0.1:{port}", f"127.0.0.1:{rfb}")
            )
            yield Desktop(portal=portal, environment=environment, start_x11vnc=x11vnc, x11vnc=vnc)
        del os.environ["PORTAL_TEST_NOVNC"]


@pytest.fixture(scope="module")
def page(desktop: Desktop) -> Iterator[Page]:
    """The desktop as a person opens it: by the link, then by its name on the index."""
    with browser.chromium() as running, browser.page(running, complain=False) as opened:
        opened.goto(f"http://127.0.0.1:{desktop.portal.port}/?token={rig.TOKEN}")
        opened.get_by_role("link", name="Open the desktop").click()
        browser.wait_for(opened, f"document.querySelector('{pictures.CANVAS}')?.width === 1920", 60)
        yield opened


def same(desktop: Desktop, page: Page) -> bool:
    """Whether the browser shows the host's screen: not more than a blinking cursor apart, and not blank."""
    shown = pictures.of_canvas(page)
    return pictures.colours(shown) > 1 and pictures.difference(shown, desktop.picture()) < 0.001


def test_the_desktop_is_connected_and_fits(desktop: Desktop, page: Page) -> None:
    """The browser's pixels are the host's, and the whole screen is in the window."""
    until(lambda: same(desktop, page), "the same picture in the browser and on the host")
    box = page.locator(pictures.CANVAS).bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (1280, 720)


def test_typing_and_clicking_reach_the_program(desktop: Desktop, page: Page) -> None:
    """A click gives the terminal the keys, and what is typed runs."""
    box = page.locator(pictures.CANVAS).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 300, box["y"] + 200)
    page.keyboard.type("echo Hello-42 >typed", delay=20)
    page.keyboard.press("Enter")
    typed = desktop.portal.folder / "typed"
    until(lambda: typed.exists() and typed.read_text() == "Hello-42\n", "the file that was typed")
    until(lambda: same(desktop, page), "the same picture in the browser and on the host")


@pytest.mark.parametrize("text", ["plain", "Zürich é", "日本 € 🙂"])
def test_pasting_into_the_desktop(desktop: Desktop, page: Page, text: str) -> None:
    """What is put into noVNC's field is what a program pastes, whatever the characters."""
    page.evaluate(PUT, text)
    until(lambda: desktop.pasted() == text, f"pasting {text!r}")


@pytest.mark.parametrize("text", ["from the desktop", "aus Zürich", "日本 €"])
def test_copying_out_of_the_desktop(desktop: Desktop, page: Page, text: str) -> None:
    """What a program copies is in noVNC's field. x11vnc looks every second, but sends nothing in the first 15 s after
    a viewer came (`sel_waittime` in its source)."""
    command = ["xclip", "-selection", "clipboard", "-i", "-quiet"]
    with subprocess.Popen(command, env=desktop.environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as owner:
        try:
            assert owner.stdin is not None
            owner.stdin.write(text.encode())
            owner.stdin.close()
            value = "document.getElementById('noVNC_clipboard_text').value"
            until(lambda: page.evaluate(value) == text, f"copying {text!r}")
        finally:
            owner.terminate()


def test_the_page_reconnects_by_itself(desktop: Desktop, page: Page) -> None:
    """x11vnc is killed under an open page; the page is left alone and shows the screen again."""
    desktop.x11vnc.kill()
    desktop.x11vnc.wait(10)
    browser.wait_for(page, f"!document.querySelector('{pictures.CANVAS}')")
    desktop.x11vnc = desktop.start_x11vnc()
    took = until(
        lambda: page.locator(pictures.CANVAS).count() > 0 and same(desktop, page),
        "the picture again",
        seconds=40,
    )
    print(f"reconnected {took:.1f} s after x11vnc was back")


def test_a_long_outage_is_waited_for(desktop: Desktop, page: Page) -> None:
    """noVNC itself gives up at the first try that fails; the page does not."""
    desktop.x11vnc.kill()
    desktop.x11vnc.wait(10)
    page.get_by_text("Failed to connect to server").wait_for(timeout=30_000)
    page.get_by_text("its websocket does not reach it").wait_for(timeout=30_000)  # by then it has tried for a while
    desktop.x11vnc = desktop.start_x11vnc()
    until(
        lambda: page.locator(pictures.CANVAS).count() > 0 and same(desktop, page),
        "the picture again",
        seconds=40,
    )


def test_websockify_and_x11vnc_logged_no_token(desktop: Desktop) -> None:
    """Their logs are shown to whoever is logged in, and kept."""
    for path in desktop.portal.folder.rglob("*.log"):
        assert rig.TOKEN not in path.read_text(errors="replace")
        for session in (path.name for path in desktop.portal.places.sessions.glob("*/*")):
            assert not [part for part in session.split(".") if part in path.read_text(errors="replace")]
