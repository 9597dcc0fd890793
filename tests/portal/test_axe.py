"""axe-core finds nothing on any page of the portal: light and dark, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.portal import axe, browser, rig, screen, stream
from tests.portal.street import novnc_of_the_distribution

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = [pytest.param(browser.PHONE, id="phone"), pytest.param(browser.DESKTOP, id="desk")]
ENDED = "visomaster_app ended 3 times, last with exit status 1: RuntimeError: Found no NVIDIA driver."
FAILED = {"path": "model_assets/a.onnx", "group": "required", "status": "failed", "bytes_done": 1, "size": 2}
WAITING = {**FAILED, "status": "waiting", "bytes_done": 0}


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    """With every page that there is, and something on each of them."""
    folder = tmp_path_factory.mktemp("axe")
    stream.write_page(folder / "selkies_web")
    for name in ("log", "supervisor", "workspace/in", "workspace/out"):
        (folder / name).mkdir(parents=True)
    (folder / "log/visomaster_app.log").write_text("a line of the program's\n" * 200, encoding="utf-8")
    (folder / "supervisor/xvfb.log").write_text("up\n", encoding="utf-8")
    (folder / "workspace/out/result.mp4").write_bytes(b"0" * 1000)
    (folder / "host.json").write_text('{"application":"visomaster","commit":"3f1d0c2","screen":"1920x1080x24"}')
    with novnc_of_the_distribution(), rig.running(folder, rig.wanted(token=rig.TOKEN)) as running:
        shown = screen.Screen(running)
        yield running
        shown.close()


@contextmanager
def state(
    portal: rig.Portal, *, ends: tuple[str, ...] = (), fetch: Mapping[str, object] | None = None, **checks: bool
) -> Iterator[None]:
    """The portal tells of these `checks`, of how the program has ended, and of a fetch."""
    before = list(portal.checks)
    portal.checks[:] = [*before, *(rig.Result(name=name, ok=ok, detail="as it is") for name, ok in checks.items())]
    portal.ends[:] = ends
    if fetch:
        portal.write_fetch(schema=1, bytes_done=1, bytes_total=4, rate=1, eta=3, updated=0, **fetch)
    try:
        yield
    finally:
        portal.checks[:], portal.ends[:] = before, []
        (portal.folder / "fetch.json").unlink(missing_ok=True)


@contextmanager
def opened(chromium: Browser, portal: rig.Portal, size: dict[str, int], path: str) -> Iterator[Page]:
    """The page at `path` of somebody who is logged in."""
    with browser.page(chromium, size=size, complain=False) as page:
        page.goto(f"http://127.0.0.1:{portal.port}/?token={rig.TOKEN}")
        page.goto(page.url.rstrip("/") + path, wait_until="commit")
        page.wait_for_load_state()
        yield page


def wrong_with(page: Page) -> list[str]:
    """What axe-core finds by day and by night, and what is too wide."""
    found = [] if browser.fits(page) else ["it is wider than the window"]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.wait_for_timeout(200)  # its movements are over: a colour in between is nobody's
        found += [f"{scheme}: {one}" for one in axe.found(page)]
    return found


STATES: Mapping[str, dict[str, object]] = {
    "ready": {"program": True},
    "fetching": {"program": False, "fetch": {"status": "running", "files": [WAITING]}},
    "a file failed": {"program": False, "fetch": {"status": "failed", "files": [{**FAILED, "error": "404 Not Found"}]}},
    "the program ended": {"program": False, "ends": (ENDED,)},
    "it had ended": {"program": True, "ends": (ENDED,)},
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/", "/status/"])
def test_the_pages_that_tell_how_it_is(chromium: Browser, portal: rig.Portal, size: dict[str, int], path: str) -> None:
    """In each state that they have, with everything unfolded."""
    wrong = {}
    with opened(chromium, portal, size, path) as page:
        for name, values in STATES.items():
            with state(portal, **values):  # type: ignore[arg-type]
                page.reload()
                page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
                wrong[name] = wrong_with(page)
    assert wrong == {name: [] for name in STATES}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/files/", "/logs/", "/logs/visomaster_app.log", "/no/such/page", "/logs/none.log"])
def test_the_other_pages(chromium: Browser, portal: rig.Portal, size: dict[str, int], path: str) -> None:
    """Unfolded, too."""
    with opened(chromium, portal, size, path) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert wrong_with(page) == []


def outside(page: Page, portal: rig.Portal) -> None:
    """The login, which says that the token was wrong."""
    page.goto(f"http://127.0.0.1:{portal.port}/?token=not-the-right-one")
    page.get_by_role("alert").filter(has_text="token").wait_for()


def ended(page: Page, portal: rig.Portal) -> None:
    """The login of a session that is over."""
    page.goto(f"http://127.0.0.1:{portal.port}/~{'A' * 22}/logs/")
    page.get_by_label("Token").wait_for()


def refused(page: Page, portal: rig.Portal) -> None:
    """The answer to a form of another page's."""
    page.set_content(f'<form method="post" action="http://127.0.0.1:{portal.port}/login"><button>Go</button></form>')
    page.get_by_role("button").click()
    page.wait_for_url("**/login")
    page.get_by_role("heading").wait_for()


def starting(page: Page, portal: rig.Portal) -> None:
    """Nobody makes the pages yet."""
    page.goto(f"http://127.0.0.1:{portal.port}/?token={rig.TOKEN}")
    pages = rig.sockets(portal.folder) / "pages.sock"
    pages.rename(away(portal))
    page.goto(page.url + "status/")


def away(portal: rig.Portal) -> Path:
    """Where the socket of the portal's pages is while nobody makes them."""
    return rig.sockets(portal.folder) / "pages.away"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("go", [outside, ended, refused, starting])
def test_the_answers_in_place_of_a_page(
    chromium: Browser, portal: rig.Portal, size: dict[str, int], go: Callable[[Page, rig.Portal], None]
) -> None:
    """Each is a page of ours, with a way on."""
    with browser.page(chromium, size=size, complain=False) as page:
        try:
            go(page, portal)
            assert wrong_with(page) == []
            assert page.title().endswith("VisoMaster")
            assert page.get_by_role("main").get_by_role("link").or_(page.get_by_role("button")).count() > 0
        finally:
            if away(portal).exists():
                away(portal).rename(away(portal).with_suffix(".sock"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/vnc/", "/desktop/"])
def test_the_desktops_pages(chromium: Browser, portal: rig.Portal, size: dict[str, int], path: str) -> None:
    """The buttons that lead out of it, and what is around the picture; here nobody draws one."""
    with browser.page(chromium, size=size, complain=False) as page:
        page.goto(f"http://127.0.0.1:{portal.port}{path}?token={rig.TOKEN}", wait_until="commit")
        if path == "/vnc/":
            page.get_by_role("application").wait_for()
        page.get_by_role("link", name="Back to the portal").wait_for()
        assert wrong_with(page) == []
        assert page.title() == "Desktop · VisoMaster"
