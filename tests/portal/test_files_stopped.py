"""An upload that is stopped while the machine has begun it and has not said so yet."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect

from tests.portal import rig
from tests.portal.files_rig import choose, made, opened, press, root, row, served, uploads

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Browser, Route


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Portal]:
    """A portal with the folders that a start makes, and its service as a process of its own."""
    folder = tmp_path_factory.mktemp("files")
    with rig.running(folder, rig.wanted(token=rig.TOKEN)) as portal, served(portal):
        for name in ("in", "out", "state"):
            (root(portal) / name).mkdir(parents=True, exist_ok=True)
        yield portal


@pytest.mark.parametrize(
    ("button", "megabytes", "kept"), [("Pause", 12, 1), ("Pause", 1, 1), ("Cancel", 12, 0), ("Cancel", 1, 1)]
)
def test_stopped_before_the_machine_has_answered(
    chromium: Browser, files: rig.Portal, tmp_path: Path, button: str, megabytes: int, kept: int
) -> None:
    """What the machine has begun of it meanwhile is gone on with, or goes: nothing is left that nobody knows of. What
    was there as a whole stays, and is said to be there.
    """
    video = made(tmp_path, f"{button}-{megabytes}.mp4", megabytes)
    held: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if held or route.request.method != "POST":
            route.fallback()
        else:
            held.append((route, route.fetch()))

    with opened(chromium, files) as page:
        page.route("**/files/api/uploads/", hold)
        choose(page, video)
        rig.wait_until(lambda: page.wait_for_timeout(20) or bool(held), "the machine has answered")
        press(page, button, video)
        if button == "Pause":
            expect(row(page, video.name)).to_contain_text("Paused")
            press(page, "Resume", video)
        [(route, answer)] = held
        with contextlib.suppress(Error):  # broken off, there is nobody to answer
            route.fulfill(response=answer)
        expect(row(page, video.name)).to_have_class(re.compile("done" if kept else "cancelled"))
        rig.wait_until(lambda: uploads(files) == [], "nothing is left of it")
    assert [path.name for path in (root(files) / "in").glob(f"{video.stem}[ .]*")] == kept * [video.name]
