"""Which windows fill the screen of a desktop, and that a person can reach all others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from visomaster_host import paths

from tests.e2e.machine import Container, docker

AS_PROGRAM = ("env", "DISPLAY=:1", f"XAUTHORITY={paths.XAUTHORITY}")
PROGRAM_TITLE = "VisoMaster Sandbox"

OPENS = """
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QMessageBox
application = QApplication(["main.py"])
choose, tell, about, huge = QFileDialog(), QMessageBox(), QDialog(), QDialog()
tell.setText("No video is chosen")
about.setWindowTitle("VisoMaster Sandbox - about")
huge.setWindowTitle("huge")
for window, size in (choose, (640, 420)), (tell, None), (about, (500, 300)), (huge, (2500, 1500)):
    if size:
        window.resize(*size)
    window.show()
application.exec()
"""
"""Dialogs without a parent, as the real programs open them; untitled ones are called as the program's file is."""

DISPLAY = """
from Xlib import display, xauth
xauth.Xauthority.get_best_auth = lambda file, *wanted: file.entries[0][3:]
display = display.Display()
"""
"""python-xlib looks for the host's name in the cookie's file, where none is."""

SEES = f"""{DISPLAY}
import json
root = display.screen().root
def numbers(window, name):
    found = window.get_full_property(display.intern_atom(name), 0)
    return list(found.value) if found else []
seen = {{}}
for number in numbers(root, "_NET_CLIENT_LIST"):
    window = display.create_resource_object("window", number)
    size, place = window.get_geometry(), root.translate_coords(window, 0, 0)
    title = window.get_full_text_property(display.intern_atom("_NET_WM_NAME"))
    left, right, top, bottom = numbers(window, "_NET_FRAME_EXTENTS") or [0] * 4
    seen[title] = {{"x": place.x - left, "y": place.y - top, "bar": top,
                   "width": size.width + left + right, "height": size.height + top + bottom}}
print(json.dumps(seen))
"""

RESIZES = f"""{DISPLAY}
import sys
root = display.screen().root
offered = root.xrandr_get_screen_info()
sizes = [(each.width_in_pixels, each.height_in_pixels) for each in offered.sizes]
number = sizes.index((int(sys.argv[1]), int(sys.argv[2])))
root.xrandr_set_screen_config(number, 1, offered.config_timestamp)
"""

Windows = dict[str, dict[str, int]]


@contextmanager
def dialogs(box: Container) -> Iterator[None]:
    """The dialogs are open; they are closed at the end."""
    mark = "opens-dialogs"
    user = ("--user=visomaster", box.name, *AS_PROGRAM)
    docker("exec", "--detach", *user, str(paths.PYTHON), "-c", OPENS, mark)
    try:
        yield
    finally:
        box.output("pkill", "--full", mark)


def seen(box: Container) -> Windows:
    """Each window by its title: its frame's place and size, and how high the bar with its title is."""
    found: Windows = json.loads(box.output(*AS_PROGRAM, "/usr/bin/python3", "-c", SEES))
    return found


def seen_once(box: Container, good: Callable[[Windows], Any], seconds: float = 60) -> Windows:
    """What is seen when it is `good`."""
    deadline = time.monotonic() + seconds
    while not good(found := seen(box)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def resize(box: Container, width: int, height: int) -> None:
    """The screen has another size, one that the X server offers by itself."""
    box.output(*AS_PROGRAM, "/usr/bin/python3", "-c", RESIZES, str(width), str(height))


def fits(window: dict[str, int], width: int, height: int) -> bool:
    across, down = window["x"] + window["width"], window["y"] + window["height"]
    return window["x"] >= 0 and window["y"] >= 0 and across <= width and down <= height


def test_dialogs_are_no_program_of_their_own(running: Container) -> None:
    """The program is bare and as large as the screen, its dialogs are not, and stay within reach on a smaller one."""
    titles = ("Open", "main.py", f"{PROGRAM_TITLE} - about")
    with dialogs(running):
        found = seen_once(running, lambda windows: {*titles, "huge", PROGRAM_TITLE} <= set(windows))
        assert found[PROGRAM_TITLE] == {"x": 0, "y": 0, "bar": 0, "width": 1920, "height": 1080}
        for title in titles:
            window = found[title]
            middle = window["x"] + window["width"] / 2, window["y"] + window["height"] / 2
            assert window["bar"] > 10 and abs(middle[0] - 960) < 40 and abs(middle[1] - 540) < 40, (title, window)
        assert (found["huge"]["x"], found["huge"]["y"]) >= (0, 0) and found["huge"]["bar"] > 10
        resize(running, 800, 600)
        try:
            seen_once(
                running, lambda windows: all(fits(windows[title], 800, 600) for title in (*titles, PROGRAM_TITLE))
            )
            huge = seen(running)["huge"]
            assert (huge["x"], huge["y"]) == (0, 0), huge
        finally:
            resize(running, 1920, 1080)
