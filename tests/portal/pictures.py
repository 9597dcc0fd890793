"""Pictures of a screen, taken on the host and in the browser, to be compared."""

from __future__ import annotations

import base64
import io
import struct
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

if TYPE_CHECKING:
    from playwright.sync_api import Page


CANVAS = "#noVNC_container canvas"
"""The one with the screen; noVNC has another for the pointer."""


def from_xwd(dump: bytes) -> Image.Image:
    """The picture in `dump`, as `xwd -root` prints it for a screen of 24 bits.

    The header is 25 numbers of four bytes (X11/XWDFile.h): its own length is number 0, width and height 4 and
    5, bytes per line 12, the count of colour entries (12 bytes each) 19.
    """
    header = struct.unpack(">25I", dump[:100])
    width, height, line = header[4], header[5], header[12]
    pixels = dump[header[0] + 12 * header[19] :]
    return Image.frombuffer("RGB", (width, height), pixels, "raw", "BGRX", line, 1)


def of_canvas(page: Page) -> Image.Image:
    """What noVNC has drawn, in the screen's own size."""
    data = page.evaluate(f"document.querySelector('{CANVAS}').toDataURL('image/png')")
    png = base64.b64decode(data.partition(",")[2])
    # Before the first picture the canvas has no size, and no data.
    return Image.open(io.BytesIO(png)).convert("RGB") if png else Image.new("RGB", (1, 1))


def difference(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that differ by more than JPEG does (0: the same picture)."""
    if one.size != other.size:
        return 1.0
    strongest = ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > 40 else 0)
    return strongest.histogram()[255] / (one.width * one.height)


def colours(picture: Image.Image) -> int:
    """How many colours it has: a blank screen has one."""
    return len(picture.getcolors(maxcolors=picture.width * picture.height) or ())
