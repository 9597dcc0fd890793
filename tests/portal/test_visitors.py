"""A browser that does not let go of a visitor holds no test up."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.portal import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_one_that_hangs_is_ended_and_the_next_visitor_has_another(
    chromium: Browser, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The next one, and whoever comes after that."""
    monkeypatch.setattr(browser, "LETS_GO_WITHIN", 1.0)
    with browser.page(chromium) as page:
        page.set_content("<h1>one</h1>")
        os.kill(browser.process_of(chromium), signal.SIGSTOP)
    assert "let go of nobody for 1.0 s" in capfd.readouterr().err
    assert not chromium.is_connected()
    for word in ("two", "three"):
        with browser.page(chromium) as page:
            page.set_content(f"<h1>{word}</h1>")
            assert page.get_by_role("heading").inner_text() == word
    assert capfd.readouterr().err == ""
