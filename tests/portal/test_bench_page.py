"""The bench's eyes: what they read in a real browser from a page that shows a desktop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from bench import marker, page
from bench.rounds import SCENES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = "data:text/html,<canvas width=100 height=100></canvas><canvas id=desktop width=1920 height=1080></canvas>"
DRAW = """([places, cells, size, columns]) => {
  const context = document.getElementById("desktop").getContext("2d");
  places.forEach(([left, top], number) => cells[number].forEach((white, cell) => {
    context.fillStyle = white ? "#dddddd" : "#222222";
    context.fillRect(left + (cell % columns) * size, top + Math.floor(cell / columns) * size, size, size);
  }));
}"""


FILM = """() => {
  const film = document.createElement("video");
  const canvas = document.getElementById("desktop");
  film.srcObject = canvas.captureStream();
  document.body.prepend(film);
  canvas.getContext("2d").fillRect(0, 0, 1, 1);
  film.muted = film.autoplay = true;
}"""


def draw(desktop: page.Desktop, size: tuple[int, int], *stamps: int) -> None:
    """Show the stamps in the first and in the last corner of a picture of this size."""
    places = marker.corners(*size)
    desktop.run(DRAW, [places, [marker.cells(stamp) for stamp in stamps], marker.CELL, marker.COLUMNS])


@pytest.mark.parametrize("shown", ["() => null", FILM], ids=["canvas", "film"])
def test_a_picture_is_seen_once_with_its_age(chromium: Browser, shown: str) -> None:
    size = SCENES["1080p"]
    with page.desktop(chromium, PAGE) as desktop:
        desktop.run(shown)
        desktop.look_at(*size)
        painted = marker.now() - 200
        draw(desktop, size, painted, painted)
        desktop.await_picture()
        later = time.monotonic()
        draw(desktop, size, painted + 100, painted + 100)
        desktop.wait(0.1)
        [sight] = desktop.seen()
        assert 95 <= sight.age < 2000 and later - 0.005 <= sight.at <= time.monotonic()


def test_a_picture_that_is_only_half_there_is_as_old_as_its_older_half(chromium: Browser) -> None:
    size = SCENES["960x540"]
    with page.desktop(chromium, PAGE) as desktop:
        desktop.look_at(*size)
        painted = marker.now() - 200
        draw(desktop, size, painted, painted)
        desktop.await_picture()
        draw(desktop, size, painted + 100, painted)
        desktop.wait(0.1)
        assert [sight for sight in desktop.seen() if marker.age(painted, sight.stamp) > 0] == []


def test_a_page_that_was_loaded_anew_is_looked_at_again(chromium: Browser) -> None:
    """What it shows then has its right age, by the new page's own clock."""
    size = SCENES["960x540"]
    with page.desktop(chromium, PAGE) as desktop:
        desktop.look_at(*size)
        desktop.run("() => location.reload()")
        desktop.wait(0.2)
        assert desktop.seen() == []
        painted = marker.now()
        draw(desktop, size, painted, painted)
        desktop.wait(0.1)
        [sight] = desktop.seen()
        assert sight.stamp == painted and 0 <= sight.age < 2000
