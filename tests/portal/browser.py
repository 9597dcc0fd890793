"""A real Chromium, headless, that talks to nobody but the portal."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, BrowserType, Page

CHROMIUM = os.environ.get("PORTAL_TEST_CHROMIUM", "/usr/bin/chromium")
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}

ELSEWHERE = "desk.example"
"""This machine by a name that browsers do not take for it: without TLS its pages are no secure context."""

IN_THE_CLEAR = "The Cross-Origin-Opener-Policy header has been ignored"
"""Said of every page that is no secure context; on this machine and over TLS the header counts."""

PATIENCE = 30_000
"""Milliseconds, as Playwright waits for all else: whether something comes is asked, how fast is another question."""

LETS_GO_WITHIN = 60.0
"""Seconds; it takes a tenth of one."""

ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
]


@contextmanager
def chromium(program: str | None = CHROMIUM) -> Iterator[Browser]:
    """The browser; it has a new profile of its own."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium, program)
        try:
            yield browser
        finally:
            browser.close()


def launch(kind: BrowserType, program: str | None = CHROMIUM) -> Browser:
    """A browser of its own process, which `process_of` finds."""
    mark = f"--visitor-{uuid4().hex}"
    browser = kind.launch(executable_path=program, headless=True, args=[*ARGUMENTS, mark])
    _LAUNCHED[browser] = mark.encode(), program
    return browser


_LAUNCHED: dict[Browser, tuple[bytes, str | None]] = {}
"""The word by which each browser's process is known, and its program."""


def process_of(browser: Browser) -> int:
    """The process with the mark of `browser`: those that it starts have a type besides."""
    mark, _ = _LAUNCHED[browser]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            words = path.read_bytes().split(b"\0")
            if mark in words and not any(word.startswith(b"--type=") for word in words):
                return int(path.parent.name)
    raise AssertionError("no such browser")


@contextmanager
def visitor(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """Somebody new, with cookies and storage of their own.

    Once in thousands of times Chromium never lets go of one. It is ended then, and who comes later has another.
    """
    own = None if browser.is_connected() else launch(browser.browser_type, _LAUNCHED[browser][1])
    context = (own or browser).new_context(**options)
    try:
        yield context
    finally:
        with _let_go(own or browser):
            context.close()
        if own:
            own.close()


@contextmanager
def _let_go(browser: Browser) -> Iterator[None]:
    from playwright.sync_api import Error

    ended = threading.Event()

    def end() -> None:
        ended.set()
        print(f"Chromium let go of nobody for {LETS_GO_WITHIN} s: it was ended", file=sys.stderr)
        os.kill(process_of(browser), signal.SIGKILL)

    timer = threading.Timer(LETS_GO_WITHIN, end)
    timer.start()
    try:
        yield
    except Error:
        if not ended.is_set():
            raise
    finally:
        timer.cancel()


@contextmanager
def page(
    browser: Browser, *, size: dict[str, int] = DESKTOP, dark: bool = False, complain: bool = True
) -> Iterator[Page]:
    """A page as a new visitor has it.

    What it reports as errors on its console, refused scripts and failed requests among them, is an
    `AssertionError` at the end; not with `complain=False`, for noVNC's pages, which are not ours to keep
    clean.
    """
    complaints: list[str] = []
    looks: dict[str, Any] = {
        "viewport": {"width": size["width"], "height": size["height"]},
        "color_scheme": "dark" if dark else "light",
        "ignore_https_errors": True,
        "has_touch": size is PHONE,
        "device_scale_factor": 2 if size is PHONE else 1,
    }
    with visitor(browser, **looks) as context:
        opened = context.new_page()
        opened.on("filechooser", lambda _: None)  # the browser is told in time that its window is not to open
        opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
    left = [one for one in complaints if not one.startswith(IN_THE_CLEAR)]
    assert not complain or left == [], left


def wait_for(opened: Page, expression: str, seconds: float = 30) -> None:
    """Return when the JavaScript `expression` holds in the page. Raises `AssertionError` when time is over.

    Playwright's own wait evaluates text inside the page, which the page's Content-Security-Policy forbids.
    """
    deadline = time.monotonic() + seconds
    while not _holds(opened, expression):
        assert time.monotonic() < deadline, f"{expression}: not within {seconds} s"
        opened.wait_for_timeout(50)


def _holds(opened: Page, expression: str) -> bool:
    from playwright.sync_api import Error

    try:
        return bool(opened.evaluate(expression))
    except Error as error:
        if "Execution context was destroyed" not in error.message:
            raise
        return False  # another page comes


def fits(opened: Page) -> bool:
    """Whether nothing of the page is wider than the window."""
    return bool(opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def save(opened: Page, folder: Path | None, name: str) -> None:
    """Keep a picture of the whole page when the tests were told where."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        opened.screenshot(path=str(folder / f"{name}.png"), full_page=True)
