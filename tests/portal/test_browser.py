"""The portal as a person meets it: a real browser, on a phone and on a desktop, in light and in dark.

PORTAL_TEST_PICTURES=FOLDER keeps the pictures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from visomaster_host.runs import End

from tests.portal import browser, rig

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BELOW = """(() => {
    const log = document.getElementById("log");
    return log.scrollHeight - log.scrollTop - log.clientHeight;
})()"""
PICTURES = Path(os.environ["PORTAL_TEST_PICTURES"]) if "PORTAL_TEST_PICTURES" in os.environ else None
LOOKS = [(browser.PHONE, "phone"), (browser.DESKTOP, "desktop")]
MB = 1_000_000
FILES = [
    ("inswapper_128.fp16.onnx", 278),
    ("det_10g.onnx", 17),
    ("w600k_r50.onnx", 174),
    ("GPEN-BFR-512.onnx", 284),
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    """A portal with some extra services."""
    port = rig.free_port()
    text = (
        f"localhost:1111:{port}:/vnc/:Desktop"
        f"|localhost:1111:{port}:/logs/visomaster_app.log:Application log|localhost:1111:{port}:/logs/:All logs"
        "|localhost:8080:18080:/lab:Jupyter|localhost:6006:6006:/:TensorBoard"
    )
    wanted = rig.wanted(token=rig.TOKEN, portal_config=text)
    with rig.running(tmp_path_factory.mktemp("browser"), wanted, port) as portal:
        (portal.folder / "host.json").write_text(
            '{"application":"visomaster","commit":"3f1d0c2","screen":"1920x1080x24","models":"start"}'
        )
        (portal.folder / "log/visomaster_app.log").write_text(
            "\n".join(f"line {n} of the application's log" for n in range(200)) + "\n"
        )
        (portal.folder / "supervisor/xvfb.log").write_text("up\n")
        yield portal


def fetching(portal: rig.Portal, share: float, status: str = "running", error: str | None = None) -> None:
    """The state of a fetch that is `share` done."""
    total = sum(size for _, size in FILES) * MB
    files, left = [], share * total
    for name, size in FILES:
        have = int(min(size * MB, max(0, left)))
        left -= size * MB
        state = "done" if have == size * MB else "fetching" if have else "waiting"
        files.append(
            {
                "path": f"model_assets/{name}",
                "group": "required",
                "status": state,
                "bytes_done": have,
                "size": size * MB,
                "error": None,
            }
        )
    if error:
        files[-1].update(status="failed", error=error)
    rate = 24 * MB if status == "running" else 0
    portal.checks[:] = [
        rig.Result(name="screen", ok=True, detail=":1 answers"),
        rig.Result(name="window manager", ok=True, detail="Fluxbox"),
        rig.Result(name="vnc", ok=True, detail="127.0.0.1:5900 greets"),
        rig.Result(name="connection", ok=True, detail="port 6080 brings the VNC server's greeting"),
        rig.Result(
            name="models",
            ok=status == "done",
            detail="fetched" if status == "done" else "models are still being fetched",
        ),
        rig.Result(
            name="program",
            ok=status == "done",
            detail="VisoMaster is on the screen" if status == "done" else "needs models",
        ),
    ]
    portal.write_fetch(
        schema=1,
        status=status,
        bytes_done=int(share * total),
        bytes_total=total,
        rate=rate,
        eta=(1 - share) * total / rate if rate else None,
        files=files,
        updated=0,
    )


def enter(page: Page, portal: rig.Portal, path: str = "/") -> None:
    page.goto(f"http://127.0.0.1:{portal.port}{path}?token={rig.TOKEN}")


def test_the_token_leaves_the_address(chromium: Browser, shown: rig.Portal) -> None:
    """Neither the address bar nor the page shows it, and the way back does not lead to it."""
    fetching(shown, 1.0, "done")
    with browser.page(chromium) as page:
        enter(page, shown)
        assert re.fullmatch(rf"http://127.0.0.1:{shown.port}/~[A-Za-z0-9_-]{{22}}/", page.url)
        assert rig.TOKEN not in page.content()
        begin = page.url
        page.get_by_role("link", name="All logs").click()
        assert page.url == f"{begin}logs/"


def test_a_person_types_the_token(chromium: Browser, shown: rig.Portal) -> None:
    """The page of a refusal leads in; a wrong token leads to it again."""
    with browser.visitor(chromium) as context:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{shown.port}/logs/")
        browser.save(page, PICTURES, "login")
        page.get_by_label("Token").fill("not the right one at all")
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("not the token of this box").wait_for()
        browser.save(page, PICTURES, "login-wrong")
        page.get_by_label("Token").fill(f" {rig.TOKEN} ")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(re.compile(rf"http://127.0.0.1:{shown.port}/~[A-Za-z0-9_-]{{22}}/logs/"))
        assert page.get_by_role("link", name="The program's output").is_visible()


def test_a_bookmark_leads_into_the_session_and_a_log_out_ends_it(chromium: Browser, shown: rig.Portal) -> None:
    """Also for addresses typed by hand, in another tab; after the log-out every page of it is the login."""
    with browser.visitor(chromium) as context:
        page, other = context.new_page(), context.new_page()
        enter(page, shown)
        begin = page.url
        other.goto(f"http://127.0.0.1:{shown.port}/logs/visomaster_app.log?raw#end")
        other.wait_for_url(f"{begin}logs/visomaster_app.log?raw#end")
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Token").wait_for()
        assert page.url == f"http://127.0.0.1:{shown.port}/"
        other.goto(f"{begin}logs/")
        other.get_by_label("Token").fill(rig.TOKEN)
        other.get_by_role("button", name="Log in").click()
        other.wait_for_url(f"{begin}logs/")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("size", "name"), LOOKS, ids=["phone", "desktop"])
def test_the_progress_of_a_fetch_moves(
    chromium: Browser, shown: rig.Portal, size: dict[str, int], name: str, dark: bool
) -> None:
    """From a third to done while the page is open, and it fits the window all the time."""
    look = f"{name}-{'dark' if dark else 'light'}"
    fetching(shown, 0.34)
    with browser.page(chromium, size=size, dark=dark) as page:
        enter(page, shown)
        bar = page.get_by_role("progressbar")
        assert bar.get_attribute("aria-valuenow") == "34"
        assert page.get_by_role("status").first.inner_text() == "fetching models"
        page.wait_for_timeout(700)  # the bar's movement, for the picture
        browser.save(page, PICTURES, f"index-fetching-{look}")
        assert browser.fits(page)
        fetching(shown, 0.67)
        page.wait_for_selector('[aria-valuenow="67"]')
        fetching(shown, 1.0, "done")
        page.wait_for_selector("#ready.good")
        assert not bar.is_visible()
        browser.save(page, PICTURES, f"index-ready-{look}")
        assert browser.fits(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("size", "name"), LOOKS, ids=["phone", "desktop"])
def test_the_other_pages(chromium: Browser, shown: rig.Portal, size: dict[str, int], name: str, dark: bool) -> None:
    """Status with a failed file, the list of logs, and one log: complete and no wider than the window."""
    look = f"{name}-{'dark' if dark else 'light'}"
    fetching(shown, 0.34, "failed", "404 Not Found from models.example")
    with browser.page(chromium, size=size, dark=dark) as page:
        enter(page, shown, "/status/")
        assert page.get_by_role("status").first.inner_text() == "models missing"
        assert page.get_by_text("404 Not Found").is_visible()
        browser.save(page, PICTURES, f"status-failed-{look}")
        assert browser.fits(page)
        page.get_by_role("link", name="Logs").click()
        browser.save(page, PICTURES, f"logs-{look}")
        assert browser.fits(page)
        page.get_by_role("link", name="The program's output").click()
        page.get_by_text("line 199 of the application's log").wait_for()
        assert page.get_by_role("main").get_by_role("region", name="The program's output").is_visible()
        browser.save(page, PICTURES, f"log-{look}")
        assert browser.fits(page)


def test_a_log_follows(chromium: Browser, shown: rig.Portal) -> None:
    """What is written shows by itself, at the end of the page; paused, it does not."""
    log = shown.folder / "log/follow.log"
    log.write_text("first <b>line</b>\n" * 200)
    with browser.page(chromium) as page:
        enter(page, shown, "/logs/follow.log")
        page.get_by_text("first <b>line</b>").wait_for()
        with log.open("a") as file:
            file.write("the last line\n")
        page.get_by_text("the last line").wait_for()
        assert page.evaluate(BELOW) < 5
        page.get_by_role("checkbox", name="follow").uncheck()
        page.get_by_text("paused").wait_for()


KILLED = "visomaster_app was killed for memory 2 times, last at 2026-11-26 12:31 UTC (memory limit 600 MiB)"
NO_GPU = End(
    count=3,
    at=0.0,
    how="exit status 1",
    words="RuntimeError: Found no NVIDIA driver. <b>x</b>",
    cause="this container sees no GPU: run it with `--gpus all`, on a machine with an NVIDIA GPU and its driver",
    log="/var/log/portal/visomaster_app_err.log",
    again=True,
)
ENDED = """The program ended
RuntimeError: Found no NVIDIA driver. <b>x</b>
This container sees no GPU: run it with --gpus all, on a machine with an NVIDIA GPU and its driver. \
It ended 3 times, last with exit status 1. It is started again by itself.
The program's errors"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("size", "name"), LOOKS, ids=["phone", "desktop"])
def test_how_the_program_ended_appears(
    chromium: Browser, shown: rig.Portal, size: dict[str, int], name: str, dark: bool
) -> None:
    """While the page is open: red, its last line, the way to its log. A kill for memory is told when it is back."""
    look = f"{name}-{'dark' if dark else 'light'}"
    fetching(shown, 1.0, "done")
    ready = list(shown.checks)
    (shown.folder / "log/visomaster_app_err.log").write_text("RuntimeError: Found no NVIDIA driver.\n")
    with browser.page(chromium, size=size, dark=dark) as page:
        enter(page, shown, "/status/")
        alert = page.get_by_role("alert").filter(visible=True)
        assert alert.count() == 0
        shown.ended[:] = [NO_GPU]
        shown.checks[-1] = rig.Result(name="program", ok=False, detail="no window; visomaster_app ended 3 times")
        page.get_by_role("heading", name="The program ended").wait_for()
        assert page.get_by_role("status").first.inner_text() == "the program ended"
        assert " ".join(alert.inner_text().split()) == " ".join(ENDED.split())
        browser.save(page, PICTURES, f"status-ended-{look}")
        assert browser.fits(page)
        page.get_by_role("link", name="VisoMaster").click()
        assert " ".join(alert.inner_text().split()) == " ".join(ENDED.split())
        assert page.locator("#checks").get_by_text("ended, see above").is_visible()
        browser.save(page, PICTURES, f"index-ended-{look}")
        assert browser.fits(page)
        page.get_by_role("alert").get_by_role("link", name="The program's errors").click()
        page.get_by_text("RuntimeError: Found no NVIDIA driver.").wait_for()
        page.go_back()
        shown.ended.clear()
        shown.ends[:] = [KILLED]
        shown.checks[:] = ready
        page.wait_for_selector("#ready.good")
        assert alert.inner_text() == KILLED.replace("visomaster_app", "The program")
        browser.save(page, PICTURES, f"index-killed-{look}")
    shown.ends.clear()
