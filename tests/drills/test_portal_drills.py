"""A browser is connected while the desktop's parts are killed: it is left alone and shows the screen again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from visomaster_host import users

from sandbox import desktop
from sandbox.engine import docker_command
from tests.e2e.browser_portal import Portal, portal, until, visitor
from tests.portal import browser, pictures

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOST_WITHIN = 15
"""Seconds in which noVNC must notice that its connection is gone."""
BACK_WITHIN = 60
"""Seconds in which the browser must show the host's screen again."""


@pytest.fixture(scope="module")
def desk() -> Iterator[Portal]:
    """A ready desktop behind a portal: the very image `make up VARIANT=alt` runs."""
    with portal(desktop.bake("alt")) as box:
        box.wait_ready()
        yield box


def test_over_tls_with_a_certificate_of_its_own() -> None:
    """ENABLE_HTTPS where the platform brought no certificate: the browser, once told to trust it, shows the desktop."""
    with portal(desktop.bake("alt"), "--env=ENABLE_HTTPS=true") as box, visitor() as chromium:
        box.wait_ready()
        assert "over TLS" in box.output("visomaster-ready")
        size = {"width": 1280, "height": 720}
        with browser.visitor(chromium, ignore_https_errors=True, viewport=size) as secure:
            opened = secure.new_page()
            opened.goto(f"https://127.0.0.1:{box.port}/?token={box.token}")
            box.open_desktop(opened)
            until(lambda: box.streamed(opened), "the host's picture over TLS")
            (cookie,) = secure.cookies()
            assert (cookie["secure"], cookie["httpOnly"]) == (True, True)


@pytest.fixture(scope="module")
def page(desk: Portal) -> Iterator[Page]:
    """The desktop in a browser, connected once and never touched again."""
    with visitor() as chromium, browser.page(chromium, complain=False) as opened:
        desk.enter(opened)
        desk.open_vnc(opened)
        yield opened


@pytest.mark.parametrize("service", ["visomaster_caddy", "websockify", "xtigervnc"])
def test_the_page_reconnects_by_itself(
    desk: Portal, page: Page, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9, and the program's window is back in the browser without a hand."""
    until(lambda: desk.shown(page), "the host's picture in the browser")
    page.evaluate(f"document.querySelector('{pictures.CANVAS}').id = 'before'")
    process = desk.output("supervisorctl", "pid", service).strip()
    begun = time.monotonic()
    desk.output("kill", "-9", process)
    browser.wait_for(page, "!document.getElementById('before')", LOST_WITHIN)
    lost = time.monotonic() - begun
    desk.wait_ready(BACK_WITHIN)
    until(lambda: desk.shown(page), "the host's picture again", seconds=BACK_WITHIN)
    took = time.monotonic() - begun
    with capsys.disabled():
        print(f"\n    {service}: noticed {lost:.1f} s, connected again {took:.1f} s after kill -9", end=" ")


THIEF = """
import socket, sys, time
end, won = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")):
        with socket.socket(family) as listener:
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                listener.setsockopt(socket.SOL_SOCKET, option, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind((address, 11111))
                listener.listen()
            except OSError:
                continue
            won += 1
            print("listens", flush=True)
            time.sleep(float(sys.argv[2]))
print(f"won {won} times")
"""
"""What the program's user could run to be given the token: it listens on the portal's port whenever it can."""


def thief(desk: Portal, seconds: float, holds: float = 0) -> subprocess.Popen[str]:
    """The thief in the desktop's container, for `seconds`; what it wins it keeps for so long."""
    command = ["exec", f"--user={users.DESKTOP}", desk.name, "/usr/bin/python3", "-c", THIEF, str(seconds), str(holds)]
    return subprocess.Popen([docker_command(), *command], stdout=subprocess.PIPE, text=True)


def test_nobody_takes_the_port_while_the_token_changes(desk: Portal) -> None:
    """Each change starts Caddy anew; whoever listened meanwhile would be given the new token by the next visitor."""
    stealing = thief(desk, 15)
    for _ in range(4):
        desk.output("visomaster-credentials", "--new")
        desk.wait_ready(BACK_WITHIN)
    assert stealing.communicate(timeout=60)[0] == "won 0 times\n"


def test_who_takes_the_port_is_shouted_about(desk: Portal) -> None:
    """Where the front itself is gone, the host says who listens in its place, and comes back when that one is gone."""
    desk.output("supervisorctl", "stop", "visomaster_front")
    stealing = thief(desk, 5, holds=5)
    assert stealing.stdout is not None
    assert stealing.stdout.readline() == "listens\n"
    look = "visomaster-ready; supervisorctl start visomaster_front; tail -n 3 /var/log/portal/visomaster_front.log"
    found = desk.output("sh", "-c", look)
    stealing.communicate(timeout=60)
    assert "port 11111 is held by user visomaster, not by this host: do not type the token there" in found
    assert "visomaster-service: port 11111" in found and "Address already in use by user visomaster" in found
    desk.wait_ready(BACK_WITHIN)
