"""The desktop as a visitor's browser shows it: headless Chromium on one of the portal's pages."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, sync_playwright

from bench import marker

EYES = Path(__file__).resolve().with_name("eyes.js")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
"""The bench may run as root; what a browser does on its own would be measured with it."""
PATIENCE = 30.0
"""Seconds within which a page must show the picture."""
CLOCKS = 20
"""How often the page is asked for its time: the quickest answer is the nearest to ours."""


class NothingSeenError(RuntimeError):
    """The page did not show the picture."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """When a picture was first seen whole, in seconds of the machine's clock, and its age then in milliseconds."""

    at: float
    age: int
    stamp: int


class Desktop:
    """A page that shows the desktop, read by bench/eyes.js."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._size = marker.SCREEN
        self._behind = 0.0
        self._last: int | None = None

    def run(self, script: str, argument: object = None) -> Any:
        """What a function of JavaScript returns in the page. Raises Playwright's Error."""
        return self._page.evaluate(script, argument)

    def _clock(self) -> float:
        """Seconds from the page's clock to this machine's, within a millisecond or so."""
        tries = []
        for _ in range(CLOCKS):
            before = time.monotonic()
            there: float = self.run("() => performance.now()") / 1000
            after = time.monotonic()
            tries.append((after - before, (before + after) / 2 - there))
        return min(tries)[1]

    def look_at(self, width: int, height: int) -> None:
        """Watch the stamps of a picture of this size from now on; what was seen before is forgotten."""
        self._size, self._behind, self._last = (width, height), self._clock(), None
        where = {"places": marker.corners(width, height), "centres": marker.CENTRES}
        self.run("where => benchLookAt(where)", {**where, "width": marker.WIDTH, "height": marker.HEIGHT})

    def seen(self) -> list[Sight]:
        """The pictures that were seen whole since the last time, each when it was new. A page that was loaded anew, by
        itself, has shown none meanwhile.
        """
        try:
            records = self.run("() => benchTake()")
            if records is None:
                self.look_at(*self._size)
        except Error:
            self._page.wait_for_load_state(timeout=PATIENCE * 1000)
            records = None
        return list(self._whole(records or []))

    def _whole(self, records: Iterable[tuple[float, str]]) -> Iterator[Sight]:
        for milliseconds, cells in records:
            stamps = [marker.stamp_of([cell == "1" for cell in word]) for word in cells.split()]
            known = [stamp for stamp in stamps if stamp is not None]
            if len(known) < len(stamps):
                continue
            stamp = known[0] if marker.age(known[0], known[-1]) >= 0 else known[-1]
            if self._last is None or marker.age(self._last, stamp) > 0:
                self._last, at = stamp, milliseconds / 1000 + self._behind
                yield Sight(at=at, age=marker.age(stamp, marker.stamp_at(at)), stamp=stamp)

    def wait(self, seconds: float) -> None:
        """Let the page go on for so long."""
        self._page.wait_for_timeout(seconds * 1000)

    def await_picture(self) -> None:
        """Return once the picture is seen. Raises NothingSeenError when it is not within PATIENCE."""
        until = time.monotonic() + PATIENCE
        while not self.seen():
            if time.monotonic() > until:
                raise NothingSeenError(f"{self._page.url.partition('?')[0]} shows no picture after {PATIENCE:.0f} s")
            self.wait(0.05)


@contextlib.contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """A browser with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def desktop(browser: Browser, address: str) -> Iterator[Desktop]:
    """The page at `address` as a new visitor has it, in a window of the screen's size; it is left at the end."""
    width, height = marker.SCREEN
    context = browser.new_context(viewport={"width": width, "height": height})
    try:
        page = context.new_page()
        page.add_init_script(path=EYES)
        try:
            page.goto(address, timeout=PATIENCE * 1000)
        except Error as error:
            raise NothingSeenError(f"{address.partition('?')[0]}: {error.message.partition(chr(10))[0]}") from None
        yield Desktop(page)
    finally:
        context.close()
