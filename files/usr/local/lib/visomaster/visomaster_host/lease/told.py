"""What is told of the end of this machine, to whoever may read it here: the portal, the desktop's menu, a person."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visomaster_host import paths
from visomaster_host.fetch_state import read_state, seconds
from visomaster_host.files import ROOT, write_atomic
from visomaster_host.lease import times
from visomaster_host.lease.asked import OnEnd
from visomaster_host.lease.clock import since_boot

if TYPE_CHECKING:
    from visomaster_host.lease.keeper import Ending, State

STALE = 180.0
"""Seconds after which what was told is not true any more: who tells it looks every few seconds."""
WHAT = {OnEnd.STOP: "stops", OnEnd.DESTROY: "is destroyed, with all that is on it"}
_SHOWN = ("until", "given", "on_end", "idle", "ends", "why", "how", "asked")

_MENU = """[nop] ({line})
[exec] (Keep it running for another hour) {{{command} --keep}}
[separator]
"""


def document(state: State, now: float) -> dict[str, object]:
    """`state` as programs read it; `now` is the time in seconds since 1970."""
    terms, found = state.terms, state.ending
    return {
        "until": None if terms.until is None else times.show(terms.until),
        "given": None if terms.given is None else times.show(terms.given),
        "on_end": str(terms.on_end),
        "idle": terms.idle,
        "ends": None if found is None else times.show(found.at),
        "why": None if found is None else "idle" if found.idle else "end",
        "how": None if found is None else str(found.how),
        "in": None if found is None else round(max(0.0, found.at - now)),
        "trouble": state.trouble,
        "asked": state.asked,
        "price": None if state.price is None else asdict(state.price),
    }


def write(state: State, now: float, boot: str, instance: str) -> None:
    """Tell `state` in files of root's, of this `boot`. Raises OSError."""
    found = document(state, now) | {
        "instance": int(instance),
        "boot": boot,
        "grace": state.grace,
        "seen": since_boot(),
        "now": now,
    }
    write_atomic(paths.LEASE_TOLD, (json.dumps(found, indent=2) + "\n").encode(), mode=0o644, owner=ROOT)
    write_atomic(paths.LEASE_MENU, menu(state.ending).encode(), mode=0o644, owner=ROOT)


def menu(found: Ending | None) -> str:
    """The part of Fluxbox's menu that says when the machine ends; empty where it does not."""
    if found is None:
        return ""
    unused = ", unless it is used" if found.idle else ""
    line = f"This box {WHAT[found.how].partition(',')[0]}: {times.spoken(found.at)}{unused}"
    return _MENU.format(line=line, command=paths.LEASE_COMMAND)


def read(path: Path | None = None) -> dict[str, Any] | None:
    """What is told; None where no lease is kept. `trouble` says so when it is told no more."""
    state = read_state(path or paths.LEASE_TOLD)
    if not state or (state.get("ends") is None and not state.get("trouble")):
        return None
    age = _age(state)
    shown = {name: state.get(name) for name in _SHOWN}
    gone = "" if 0 <= age < STALE else "the service `lease` does not run: this box may not end by itself"
    return {**shown, "in": max(0, round(seconds(state, "in") - age)), "trouble": gone or str(state.get("trouble", ""))}


def paid(path: Path | None = None) -> dict[str, float] | None:
    """What this machine costs: dollars an hour (`hourly`), `since` when, in seconds since 1970, and the seconds that it
    is paid `for`. None where Vast does not say, or it is told no more.
    """
    state = read_state(path or paths.LEASE_TOLD)
    price, age = state.get("price"), _age(state)
    if not isinstance(price, dict) or not 0 <= age < STALE:
        return None
    hourly, since, now = seconds(price, "hourly"), seconds(price, "since"), seconds(state, "now")
    paid_for = now + age - since
    return {"hourly": hourly, "since": since, "for": round(paid_for)} if hourly > 0 and paid_for >= 0 else None


def _age(state: dict[str, Any]) -> float:
    """Seconds since `state` was told."""
    return since_boot() - seconds(state, "seen")
