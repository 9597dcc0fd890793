"""A portal and its neighbour on another port of the same address, and a browser that goes to both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from sandbox import tools
from tests.portal import hostile, rig

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


@dataclass(kw_only=True)
class Street:
    """A portal and its neighbour, the portal's index linking there; `host` is what a browser calls them."""

    portal: rig.Portal
    neighbour: hostile.Neighbour
    service: rig.StandIn
    host: str

    @property
    def here(self) -> str:
        """The portal's origin."""
        return f"http://{self.host}:{self.portal.port}"

    @property
    def there(self) -> str:
        """The neighbour's origin."""
        return f"http://{self.host}:{self.neighbour.port}"


@contextmanager
def novnc_of_the_distribution() -> Iterator[None]:
    """The page of the desktop is the real one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTAL_TEST_NOVNC", str(tools.UNPACKED / "usr/share/novnc"))
        yield


def enter(page: Page, street: Street, path: str = "/") -> None:
    """By the link with the token, as the Open button does."""
    page.goto(f"{street.here}{path}?token={rig.TOKEN}")
    expect_inside(page)


def expect_inside(page: Page) -> None:
    """The index is shown, not the question for the token. Raises `AssertionError` or playwright's `TimeoutError`."""
    page.locator("#ready").wait_for()
    assert page.get_by_label("Token").count() == 0


def expect_outside(page: Page) -> None:
    """The question for the token is shown."""
    page.get_by_label("Token").wait_for()


def visit(owner: BrowserContext, street: Street, path: str = "/") -> Page:
    """The owner opens a page of the neighbour's in a tab of its own."""
    page = owner.new_page()
    page.goto(street.there + path)
    return page


def until(page: Page, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for `condition`, while `page` goes on. Raises `AssertionError` when `seconds` are over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        page.wait_for_timeout(20)
