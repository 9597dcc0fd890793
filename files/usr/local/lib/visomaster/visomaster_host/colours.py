"""Colours for a person at a terminal: green for what is well, yellow for a warning, red for what is missing."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO

from visomaster_host.enums import StrEnum
from visomaster_host.text import printable


class Colour(StrEnum):
    """A colour, by its number for terminals."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"


def has_colours(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that shows colours, and nobody has asked for none: https://no-color.org"""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody sits before `stream`; one that is closed is none."""
    with suppress(OSError, ValueError):
        return stream.isatty()
    return False


def coloured(text: str, colour: Colour | None, stream: TextIO) -> str:
    """`text`, made printable, in `colour` where there is one and `stream` shows colours."""
    shown = printable(text)
    return f"\x1b[{colour}m{shown}\x1b[0m" if colour and has_colours(stream) else shown
