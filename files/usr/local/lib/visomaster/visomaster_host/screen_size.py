"""How large the screen is at first and may become: SCREEN and SCREEN_MAX, each WIDTHxHEIGHT in pixels."""

from __future__ import annotations

import re
from dataclasses import dataclass

from visomaster_host.host import Host
from visomaster_host.problems import Problem
from visomaster_host.settings import Settings
from visomaster_host.text import brief

_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")


@dataclass(frozen=True, kw_only=True)
class Size:
    """Pixels across and down."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    def fits(self, other: Size) -> bool:
        """Whether it is nowhere larger than `other`."""
        return self.width <= other.width and self.height <= other.height

    def within(self, other: Size) -> Size:
        """This size, each side no longer than `other`'s."""
        return Size(width=min(self.width, other.width), height=min(self.height, other.height))


LEAST, MOST = Size(width=800, height=600), Size(width=7680, height=4320)
"""Less is of no use to the programs; more has no screen, and costs four bytes a pixel."""

USUAL_MOST = Size(width=3840, height=2160)
"""SCREEN_MAX unless it is given: viewers who ask for more have a window over several screens, or mean ill."""


def parse(text: str) -> Size | None:
    """The size that `text` is, None where it is none."""
    found = _SIZE.fullmatch(text)
    return Size(width=int(found[1]), height=int(found[2])) if found else None


def read(name: str, text: str) -> Size:
    """The size in the variable `name`. Raises `Problem` unless it is one from `LEAST` to `MOST`."""
    size = parse(text)
    if size is None or not (LEAST.fits(size) and size.fits(MOST)):
        raise Problem(f"{name} must be WIDTHxHEIGHT from {LEAST} to {MOST}, got {brief(repr(text), 40)}")
    return size


def check(screen: str, screen_max: str) -> None:
    """Raise `Problem` where SCREEN or SCREEN_MAX, empty when not given, cannot be used."""
    most = read("SCREEN_MAX", screen_max) if screen_max else USUAL_MOST
    if screen and not read("SCREEN", screen).fits(most):
        raise Problem(f"SCREEN must not be larger than SCREEN_MAX, {most}, got {screen}")


def largest(settings: Settings) -> Size:
    """What the screen may grow to."""
    return (parse(settings.screen_max) if settings.screen_max else None) or USUAL_MOST


def first(host: Host, settings: Settings) -> Size:
    """What the screen begins with: SCREEN, else the host's own, where that is allowed."""
    own = parse(host.geometry.rpartition("x")[0]) or LEAST
    return ((parse(settings.screen) if settings.screen else None) or own).within(largest(settings))
