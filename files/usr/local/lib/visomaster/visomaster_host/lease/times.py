"""Times of a lease as people write them: UTC, to the minute or the second."""

from __future__ import annotations

import re
import time

_UTC = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?Z")
_SPAN = re.compile(r"([1-9]\d{0,4})([mh])")
LONGEST = 30 * 24 * 3600
"""Seconds: a longer extension is a misprint."""


def parse(text: str) -> int:
    """`text`, such as 2026-11-27T05:00Z, in seconds since 1970. Raises ValueError when it is no such time."""
    import datetime  # 2 ms that every start without a lease would wait for

    if (found := _UTC.fullmatch(text)) is None:
        raise ValueError("expected a time in UTC such as 2026-11-27T05:00Z")
    numbers = [int(part) for part in found.groups(default="0")]
    return int(datetime.datetime(*numbers, tzinfo=datetime.timezone.utc).timestamp())  # type: ignore[misc,arg-type]


def show(seconds: float) -> str:
    """`seconds` since 1970 as `parse` reads it, to the minute."""
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(seconds))


def spoken(seconds: float) -> str:
    """As `show`, for a sentence."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def span(text: str) -> int:
    """`text`, such as 90m or 2h, in seconds. Raises ValueError when it is no such span, or a longer one than 720h."""
    found = _SPAN.fullmatch(text)
    seconds = int(found[1]) * (60 if found[2] == "m" else 3600) if found else 0
    if not 0 < seconds <= LONGEST:
        raise ValueError("expected minutes or hours such as 90m or 2h, at most 720h")
    return seconds
