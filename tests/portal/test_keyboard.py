"""The portal without a mouse: in, through its pages, into the desktop and out of it, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.portal import browser, rig, screen, stream
from tests.portal.street import novnc_of_the_distribution, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

MOST = 60  # presses of Tab for one page
OUTLINE = """() => {
    const style = getComputedStyle(document.activeElement);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
}"""
A_KEY = ord("a")


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    folder = tmp_path_factory.mktemp("keyboard")
    (folder / "log").mkdir()
    (folder / "log/visomaster_app.log").write_text("a line\n", encoding="utf-8")
    stream.write_page(folder / "selkies_web")
    with novnc_of_the_distribution(), rig.running(folder, rig.wanted(token=rig.TOKEN)) as running:
        yield running


@pytest.fixture(scope="module")
def desktop(portal: rig.Portal) -> Iterator[screen.Screen]:
    """What the portal shows."""
    shown = screen.Screen(portal)
    yield shown
    shown.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with browser.page(chromium, complain=False) as opened:
        yield opened


def reach(page: Page, wanted: Locator) -> None:
    """Press Tab until `wanted` has the focus, which is seen at every stop. Raises `AssertionError` when it is not."""
    for _ in range(MOST):
        page.keyboard.press("Tab")
        assert page.evaluate(OUTLINE), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if wanted.evaluate("(node) => node === document.activeElement"):
            return
    raise AssertionError(f"{wanted}: not reached by {MOST} presses of Tab")


def test_a_walk_without_a_mouse(page: Page, portal: rig.Portal, desktop: screen.Screen) -> None:
    """From the login to the desktop and back, to the files, their button and back, by Tab and Enter alone."""
    desktop.keys.clear()
    page.goto(f"http://127.0.0.1:{portal.port}/")
    page.get_by_label("Token").wait_for()
    page.keyboard.type(rig.TOKEN)  # the field has the focus from the beginning
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/~[^/]{22}/$"))
    begin = page.url
    for link in page.get_by_role("main").get_by_role("link").all()[:3]:
        page.locator("body").evaluate("() => document.activeElement.blur()")
        reach(page, link)
    reach(page, page.locator("a[href='./vnc/']").last)
    page.keyboard.press("Enter")
    page.get_by_role("application").wait_for()
    browser.wait_for(page, "document.activeElement.tagName === 'CANVAS'")
    page.keyboard.press("Tab")
    page.keyboard.press("a")
    until(page, lambda: (A_KEY, False) in desktop.keys, "a key in the desktop")
    page.keyboard.press("Control+Alt+Shift")
    back = page.get_by_role("link", name="Back to the portal")
    assert back.evaluate("(node) => node === document.activeElement")
    until(page, lambda: desktop.held() == set(), "keys that are let go")
    page.keyboard.press("Enter")
    page.wait_for_url(begin)
    reach(page, page.locator("a[href='./files/']").first)
    page.keyboard.press("Enter")
    page.wait_for_url("**/files/")
    reach(page, page.locator("#files-button"))
    with page.expect_file_chooser():
        page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(begin)


def test_the_desktop_lets_the_keyboard_go_and_has_it_again(
    page: Page, portal: rig.Portal, desktop: screen.Screen
) -> None:
    """By Escape and by Tab; a chord with another key is the program's, and noVNC's closed bar is no stop on the way."""
    page.goto(f"http://127.0.0.1:{portal.port}/vnc/?token={rig.TOKEN}", wait_until="commit")
    canvas = page.get_by_role("application")
    canvas.wait_for()
    browser.wait_for(page, "document.activeElement.tagName === 'CANVAS'")
    page.keyboard.press("Control+Alt+Shift+a")
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    for key, typed in ("Escape", "b"), ("Tab", "c"):
        page.keyboard.press("Control+Alt+Shift")
        assert page.evaluate("document.activeElement.textContent").endswith("Back to the portal")
        if key == "Escape":
            page.keyboard.press(key)
        else:
            reach(page, page.get_by_role("button", name="Tools"))
            reach(page, canvas)
        page.keyboard.press(typed)
        both = [(ord(typed), True), (ord(typed), False)]
        until(page, lambda both=both: desktop.keys[-2:] == both, "a key in the desktop")  # type: ignore[misc]


def test_novncs_bar_is_opened_by_a_button(page: Page, portal: rig.Portal, desktop: screen.Screen) -> None:
    """Nothing of it is over the program before; opened, the keyboard is in it."""
    page.goto(f"http://127.0.0.1:{portal.port}/vnc/?token={rig.TOKEN}", wait_until="commit")
    page.get_by_role("application").wait_for()
    for part in ("handle", "scroll"):
        page.locator(f"#noVNC_control_bar_{part}, #noVNC_control_bar .noVNC_{part}").first.wait_for(state="hidden")
    page.keyboard.press("Control+Alt+Shift")
    tools = page.get_by_role("button", name="Tools")
    reach(page, tools)
    page.keyboard.press("Enter")
    page.locator("#noVNC_control_bar.noVNC_open").wait_for()
    browser.wait_for(page, "document.activeElement.closest('#noVNC_control_bar') !== null")
    assert tools.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    page.locator("#noVNC_control_bar:not(.noVNC_open)").wait_for()
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"


def test_out_of_the_stream(page: Page, portal: rig.Portal, desktop: screen.Screen) -> None:
    """The same keys, where the page's own handlers take every key from the window."""
    server = stream.Server(rig.sockets(portal.folder) / "selkies.sock")
    try:
        page.goto(f"http://127.0.0.1:{portal.port}/desktop/?token={rig.TOKEN}")
        stream.expect_playing(page)
        page.evaluate("addEventListener('keydown', (event) => event.preventDefault(), true)")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body")
        page.keyboard.press("Control+Alt+Shift")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/~[^/]{22}/$"))
    finally:
        server.wait_for_end()
