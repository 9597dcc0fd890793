"""What the outside may say of language and time: a locale, a time zone.

Both are passed on from a person's own computer or a template, to a machine that may not have them.
"""

from __future__ import annotations

import locale
import os
import re

from visomaster_host import paths

_UTF8 = re.compile(r"\w+\.utf-?8(@\w+)?", re.IGNORECASE)
_RULE = re.compile(r"(<[A-Za-z0-9+-]{3,}>|[A-Za-z]{3,})[+-]?[0-9].*", re.ASCII)
"""A zone by its rule, such as CET-1CEST,M3.5.0,M10.5.0/3: see tzset(3)."""


def is_usable(name: str) -> bool:
    """Whether `name` is a locale of this host in which names of files are UTF-8. Any other one would be that of C to
    most programs, and some then refuse names with other letters than English ones.
    """
    if not _UTF8.fullmatch(name):
        return False
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_CTYPE, before)
    return True


def zone_problem(zone: str) -> str:
    """What is wrong with the time zone that TZ names, in one line; empty when it can be used. The C library says
    nothing, and takes UTC.
    """
    name = zone.removeprefix(":")
    parts = name.split("/")
    inside = not name.startswith("/") and ".." not in parts and name.isprintable()
    if not name or _RULE.fullmatch(name) or (inside and os.path.isfile(paths.ZONES.joinpath(*parts))):
        return ""
    return f"TZ: expected a time zone such as Europe/Berlin, got {zone!r}: times are those of UTC"
