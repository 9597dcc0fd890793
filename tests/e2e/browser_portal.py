"""A portal in a container as its visitors meet it: with a browser, and with single requests."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PIL import Image
from visomaster_host import paths, users
from visomaster_host.login import Login, login_for

from sandbox import assets
from sandbox.base import derived_image
from sandbox.shell import apt_install
from tests.e2e.machine import Container, container, docker
from tests.portal import browser, pictures, rig, stream

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PORT = 11111
PUBLISHED = f"--publish=127.0.0.1::{PORT}"
PICTURES = Path(os.environ["PORTAL_TEST_PICTURES"]) if "PORTAL_TEST_PICTURES" in os.environ else None

PHOTOGRAPH = """
import sys
from PySide6.QtCore import QBuffer
from PySide6.QtGui import QGuiApplication
application = QGuiApplication([])
buffer = QBuffer()
QGuiApplication.primaryScreen().grabWindow(0).save(buffer, "png")
sys.stdout.buffer.write(buffer.data().toBase64().data())
"""
"""Another X client than x11vnc, from what the program's own environment holds."""


def installed_chromium() -> str:
    """Debian's Chromium, installed when it is missing. Raises `SandboxError` when it cannot be."""
    if shutil.which("chromium") is None:
        apt_install(["chromium"])
    program = shutil.which("chromium")
    assert program is not None
    return program


@contextmanager
def visitor() -> Iterator[Browser]:
    """A browser without a past."""
    with browser.chromium(installed_chromium()) as running:
        yield running


@dataclass(frozen=True, kw_only=True)
class Portal(Container):
    """A running container with a portal; `label` is what Vast calls the instance."""

    label: str = ""

    @property
    def port(self) -> int:
        """The portal's port on this machine: another one after each start of the container."""
        return int(docker("port", self.name, f"{PORT}/tcp").rpartition(":")[2])

    @property
    def url(self) -> str:
        """The portal's address, without a token."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """The token that this portal accepts, as its owner is told."""
        return str(json.loads(self.output("visomaster-credentials", "--json"))["token"])

    @property
    def login(self) -> Login:
        """Everything that this portal accepts."""
        return login_for(self.token, self.label)

    def begin(self) -> tuple[str, dict[str, str]]:
        """Log in as a browser does by the Open button: where the session's pages are, and its requests' header."""
        answer = self.get(f"/?token={quote(self.token, safe='')}", {"Accept": "text/html"})
        assert (answer.status, answer.headers["location"][-1]) == (302, "/")
        return answer.headers["location"][:-1], {"Cookie": answer.headers["set-cookie"].partition(";")[0]}

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> rig.Answer:
        """One request of a program."""
        return rig.ask(self.port, target, headers)

    def status(self, target: str = "/health") -> int:
        """The status of one request; 0 while nobody answers."""
        try:
            return self.get(target).status
        except OSError:
            return 0

    def report(self) -> dict[str, Any]:
        """What the portal tells those who are logged in."""
        answer = self.get("/status/status.json", {"Authorization": f"Bearer {self.token}"})
        assert answer.status == 200
        return dict(json.loads(answer.body))

    def enter(self, page: Page) -> None:
        """Open the link that the owner is given; the page is the index then, and its address holds no token."""
        page.goto(f"{self.url}/?token={quote(self.token, safe='')}")
        assert re.fullmatch(f"{re.escape(self.url)}/~[A-Za-z0-9_-]{{22}}/", page.url)

    def open_desktop(self, page: Page) -> None:
        """Follow the index's link and wait until the stream's first picture is there."""
        page.get_by_role("link", name="Open the desktop").click()
        page.wait_for_url("**/desktop/")
        stream.expect_playing(page, 90)

    def open_vnc(self, page: Page) -> None:
        """Go from the index to the other view, and wait until noVNC has the screen in the window's size."""
        page.get_by_role("link", name="noVNC, for every browser").click()
        fits = f"document.querySelector('{pictures.CANVAS}')?.width === innerWidth"
        browser.wait_for(page, fits, 90)

    def screen(self) -> Image.Image:
        """The screen as the host has it."""
        display = ("--env=DISPLAY=:1", "--env=XAUTHORITY=/run/visomaster/desktop/Xauthority")
        picture = docker("exec", f"--user={users.DESKTOP}", *display, self.name, str(paths.PYTHON), "-c", PHOTOGRAPH)
        return Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")

    def streamed(self, page: Page) -> bool:
        """Whether the browser plays the host's screen: a cursor and the page's own handle apart, not an empty one."""
        seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        return pictures.colours(seen) > 100 and pictures.difference(seen, self.screen()) < 0.002

    def shown(self, page: Page) -> bool:
        """Whether noVNC shows the host's screen: a blinking cursor apart at most, and not an empty one."""
        if page.locator(pictures.CANVAS).count() == 0:
            return False
        seen = pictures.of_canvas(page)
        return pictures.colours(seen) > 100 and pictures.difference(seen, self.screen()) < 0.001


@contextmanager
def portal(image: str, *options: str, label: str = "") -> Iterator[Portal]:
    """A portal of `image`, its port published on loopback, removed at the end."""
    named = (f"--env=VAST_CONTAINERLABEL={label}",) if label else ()
    with container(image, PUBLISHED, *named, *options) as box:
        yield Portal(name=box.name, label=label)


@contextmanager
def slow_assets(rate: int) -> Iterator[str]:
    """A second asset server, which gives every connection `rate` bytes a second; its address for containers.

    The sandbox's own one stays as it is: others use it.
    """
    assets.up()
    volumes = (f"--volume={assets.WWW}:/srv/www:ro", f"--volume={assets.SERVER}:/srv/server.py:ro")
    command = ("python3", "/srv/server.py", "/srv/www", f"--port={assets.INNER_PORT}", f"--rate={rate}")
    with container(derived_image("assets", assets.RELEASE), "--init", *volumes, command=command) as server:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        yield f"http://{docker('inspect', '--format', form, server.name)}:{assets.INNER_PORT}"


def press_keys(page: Page, text: str) -> None:
    """Press and release the key of each character, as somebody whose keyboard has them all.

    Playwright's own `type` knows an American one and puts other characters into the page without any key.
    """
    session = page.context.new_cdp_session(page)
    for letter in text:
        for kind in ("keyDown", "keyUp"):
            session.send("Input.dispatchKeyEvent", {"type": kind, "key": letter, "code": "KeyA", "text": letter})
    session.detach()


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> float:
    """Wait for `condition`; returns the seconds it took. Raises `AssertionError` when they are over."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if condition():
            return time.monotonic() - begin
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")
