"""A time in a picture: 32 black and white cells that survive JPEG, read back by whoever sees the picture.

The clock is CLOCK_MONOTONIC, which all processes of one machine share, in containers too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

CELL = 16
"""Pixels: a cell covers whole JPEG blocks wherever it lies, so its centre is never a mixture."""
COLUMNS, ROWS = 16, 2
WIDTH, HEIGHT = COLUMNS * CELL, ROWS * CELL
CENTRES = tuple((column * CELL + CELL // 2, row * CELL + CELL // 2) for row in range(ROWS) for column in range(COLUMNS))
"""The point of each cell at which it is read, from the marker's upper left corner."""

SCREEN = (1920, 1080)
_WINDOW = (300, 200)  # on no multiple of the servers' tiles, as windows lie

_BITS = 24
_MASK = (1 << _BITS) - 1


def now() -> int:
    """Return the present stamp: milliseconds of the machine's clock, modulo four and a half hours."""
    return stamp_at(time.monotonic())


def stamp_at(seconds: float) -> int:
    """Return the stamp of a moment of the machine's clock."""
    return int(seconds * 1000) & _MASK


def age(stamp: int, at: int) -> int:
    """Return the milliseconds from `stamp` to the stamp `at`; negative when `stamp` is the later one."""
    return (at - stamp + (1 << _BITS - 1) & _MASK) - (1 << _BITS - 1)


def cells(stamp: int) -> list[bool]:
    """Return which cells are white for `stamp`: its bits and a check sum's."""
    word = stamp << 8 | _check(stamp)
    return [bool(word >> bit & 1) for bit in range(32)]


def stamp_of(seen: Sequence[bool | None]) -> int | None:
    """Return the stamp of the cells `seen`; None when cells are missing or of two different times."""
    word = sum(1 << bit for bit, white in enumerate(seen) if white)
    stamp = word >> 8
    return stamp if None not in seen and word & 0xFF == _check(stamp) else None


def _check(stamp: int) -> int:
    return stamp * 0x9E3779B1 >> 16 & 0xFF ^ 0xA5


def place_of(width: int, height: int) -> tuple[int, int]:
    """Return where on the screen a picture of this size lies, in pixels from its upper left corner."""
    return (0, 0) if (width, height) == SCREEN else _WINDOW


def corners(width: int, height: int) -> list[tuple[int, int]]:
    """Return where on the screen the two markers of a picture of this size lie: in its first and its last corner."""
    left, top = place_of(width, height)
    return [(left, top), (left + width - WIDTH, top + height - HEIGHT)]
