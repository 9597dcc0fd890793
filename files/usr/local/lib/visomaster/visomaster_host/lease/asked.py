"""What a start's variables say of the lease, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from visomaster_host.enums import StrEnum
from visomaster_host.lease import times
from visomaster_host.problems import Problem, say

API = "https://console.vast.ai"
IDLE = 60
"""Minutes without use after which a leased machine is stopped, where nothing else is said."""
LONGEST_IDLE = 7 * 24 * 60

_IDLE = re.compile(r"\d{1,5}")
_API = re.compile(r"(?:https://[A-Za-z0-9.-]+|http://(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]))(?::\d{1,5})?")
_ID = re.compile(r"[1-9]\d{0,18}")
_KEY = re.compile(r"[!-~]{8,1024}")


class OnEnd(StrEnum):
    """What happens to the machine at the end of its lease."""

    STOP = "stop"
    DESTROY = "destroy"


def checked(given: Mapping[str, str]) -> dict[str, str]:
    """What `Settings` keeps of the lease. Raises `Problem` that names the first variable which cannot be used."""
    until, on_end = given.get("LEASE_UNTIL", ""), given.get("ON_END", "")
    idle, api = given.get("IDLE", ""), given.get("LEASE_API", "").rstrip("/")
    try:
        if until:
            times.parse(until)
    except ValueError:
        raise Problem(f"LEASE_UNTIL must be a time in UTC such as 2026-11-27T05:00Z, got {until!r}") from None
    if on_end not in ("", *OnEnd):
        raise Problem(f'ON_END must be "stop" or "destroy", got {on_end!r}')
    if idle and not (_IDLE.fullmatch(idle) and int(idle) <= LONGEST_IDLE):
        raise Problem(f"IDLE must be whole minutes from 0 (never) to {LONGEST_IDLE}, got {idle!r}")
    if api and not _API.fullmatch(api):
        raise Problem(f"LEASE_API must be https://HOST, or http at a loopback address, got {api!r}")
    return {"lease_until": until, "on_end": on_end, "idle": idle, "lease_api": api}


def instance(given: Mapping[str, str]) -> tuple[str, str] | None:
    """Which instance this is and its own key, as Vast tells each; None elsewhere. A line says so where one is told and
    cannot be used: the machine works, and does not end itself.
    """
    number, key = given.get("CONTAINER_ID", ""), given.get("CONTAINER_API_KEY", "")
    if not key:
        return None
    if _ID.fullmatch(number) and _KEY.fullmatch(key):
        return number, key
    bad = "CONTAINER_API_KEY is no such key" if _ID.fullmatch(number) else "CONTAINER_ID is no number"
    say(f"visomaster-start: {bad}; going on: without a lease, nobody ends this machine by itself")
    return None
