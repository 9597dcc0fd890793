"""Windows that the screen has shrunk away from come back onto it.

Fluxbox makes the maximised one as large as the screen is; the others it leaves where they are, and nobody could reach
them there.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from visomaster_host.screen_size import Size

_AS_IT_IS, _PLACE_AND_SIZE = 10, 0xF00
"""Static gravity, by which a place is the window's and not its frame's; all four numbers are given (EWMH 1.5)."""


class Sides(NamedTuple):
    """How wide a frame is around its window, in pixels, in the order of `_NET_FRAME_EXTENTS`."""

    left: int
    right: int
    top: int
    bottom: int


def onto(start: int, before: int, length: int, after: int, screen: int) -> int:
    """Where something `length` pixels long that begins at `start`, with a frame of `before` and `after`, is to begin on
    a `screen` so long. What does not fit begins with it: title bars are above and on the left.
    """
    return max(before, min(start, screen - length - after))


def keep_on_screen(display: Any, screen: Size) -> None:
    """Ask the window manager to move what is not on a `screen` of this size; `display` is python-xlib's."""
    root = display.screen().root
    refused = importlib.import_module("Xlib.error").XError
    for window in _windows(display, root):
        try:
            _keep(display, root, window, screen)
        except refused:
            continue  # it was closed meanwhile
    display.flush()


def _windows(display: Any, root: Any) -> Iterator[Any]:
    for number in _property(display, root, "_NET_CLIENT_LIST"):
        yield display.create_resource_object("window", number)


def _keep(display: Any, root: Any, window: Any, screen: Size) -> None:
    full = {display.intern_atom(f"_NET_WM_STATE_MAXIMIZED_{way}") for way in ("HORZ", "VERT")}
    if full <= set(_property(display, window, "_NET_WM_STATE")):
        return
    size, place = window.get_geometry(), root.translate_coords(window, 0, 0)
    sides = Sides(*(_property(display, window, "_NET_FRAME_EXTENTS") or (0, 0, 0, 0)))
    x = onto(place.x, sides.left, size.width, sides.right, screen.width)
    y = onto(place.y, sides.top, size.height, sides.bottom, screen.height)
    if (x, y) != (place.x, place.y):
        _move(display, root, window, x, y, size)


def _move(display: Any, root: Any, window: Any, x: int, y: int, size: Any) -> None:
    """By a message: what a window asks for by itself, Fluxbox leaves undone in the first second of its life."""
    event = importlib.import_module("Xlib.protocol.event").ClientMessage
    message = display.intern_atom("_NET_MOVERESIZE_WINDOW")
    what = (_AS_IT_IS | _PLACE_AND_SIZE, x, y, size.width, size.height)
    told = importlib.import_module("Xlib.X")
    root.send_event(
        event(window=window, client_type=message, data=(32, what)),
        event_mask=told.SubstructureRedirectMask | told.SubstructureNotifyMask,
    )


def _property(display: Any, window: Any, name: str) -> tuple[int, ...]:
    """The numbers in a property; none where the window has no such one."""
    found = window.get_full_property(display.intern_atom(name), 0)  # of any type
    return tuple(found.value) if found else ()
