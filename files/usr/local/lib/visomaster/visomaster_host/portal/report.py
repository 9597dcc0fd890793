"""What the index and the status page tell, as one JSON document: readiness, the model fetch, how the program ended, the
machine, what it costs, and refused requests."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from visomaster_host import paths, runs
from visomaster_host.fetch_state import read_state
from visomaster_host.lease import told
from visomaster_host.portal import logs
from visomaster_host.portal.machine import Machine
from visomaster_host.portal.words import Words
from visomaster_host.service import PROGRAM_CHECK, Result

REFUSED_WINDOW = 3600
"""Seconds of the access log that refused requests are counted over."""

_TAIL = 1024 * 1024  # bytes of the access log that are looked at


class Readiness:
    """The host's checks, run at most once per `fresh` seconds however many ask (`eager` while it is not ready: somebody
    waits for it).

    /ready is open to everybody: who asks while the checks run gets the last answer, unless it is older than
    `stale` seconds; then (and before the first answer) it waits `patience` seconds and is told that the host
    is not ready.
    """

    def __init__(
        self,
        checks: Callable[[], tuple[Result, ...]],
        *,
        fresh: float = 1.0,
        eager: float = 0.2,
        stale: float = 10.0,
        patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks, self._clock = checks, clock
        self._fresh, self._eager, self._stale, self._patience = fresh, min(eager, fresh), stale, patience
        self._running = threading.Lock()
        self._last: tuple[float, tuple[Result, ...]] | None = None

    def checks(self) -> tuple[Result, ...]:
        """The checks' results, not older than `stale`; one failed check when they cannot be had in time."""
        if (last := self._fresh_one()) is not None:
            return last
        recent = self._newer_than(self._stale)
        if not self._running.acquire(timeout=0 if recent is not None else self._patience):
            return recent or (Result(name="checks", ok=False, detail="the checks take too long"),)
        try:
            if (last := self._fresh_one()) is not None:  # made while we waited
                return last
            results = self._checks()
            self._last = (self._clock(), results)
            return results
        finally:
            self._running.release()

    def _fresh_one(self) -> tuple[Result, ...] | None:
        last = self._last
        return self._newer_than(self._fresh if last is not None and ready(last[1]) else self._eager)

    def _newer_than(self, age: float) -> tuple[Result, ...] | None:
        last = self._last
        return last[1] if last is not None and self._clock() - last[0] < age else None


def ready(checks: tuple[Result, ...]) -> bool:
    """Whether everything is there; an empty list is nothing to trust."""
    return bool(checks) and all(check.ok for check in checks)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the report is read from; `words` says what a person calls it, and which service is the program."""

    readiness: Readiness
    fetch: Path = paths.FETCH_STATE
    lease: Path = paths.LEASE_TOLD
    description: Path = paths.PORTAL_DESCRIPTION
    host: Path = paths.HOST
    folders: Mapping[str, Path] = field(default_factory=lambda: logs.FOLDERS)
    ends: Callable[[], list[str]] = runs.notices
    end_of: Callable[[str], runs.End | None] = runs.end_of
    words: Words = field(default_factory=Words)
    machine: Callable[[], dict[str, Any]] = field(default_factory=lambda: Machine().told)


def report(sources: Sources, *, now: float | None = None) -> dict[str, Any]:
    """The whole report. A part that cannot be read is None, and the page then says nothing about it."""
    checks = sources.readiness.checks()
    portal = read_state(sources.description)
    host = read_state(sources.host)
    end = ended(sources, checks)
    return {
        "schema": 1,
        "ready": ready(checks),
        "checks": [replace(check, detail=sources.words.said(check.detail)).as_json() for check in checks],
        "fetch": read_state(sources.fetch) or None,
        "lease": told.read(sources.lease),
        "paid": told.paid(sources.lease),
        "machine": sources.machine(),
        "refused": refused(sources.folders, now=time.time() if now is None else now),
        "notices": [*portal.get("notices", []), *(check.detail for check in checks if check.warning)],
        "ended": end,
        "ends": [sources.words.said(line) for line in _other_ends(sources, end)],
        "services": [_titled(sources.words, service) for service in portal.get("services", [])],
        "ports": {name: portal.get(name) for name in ("port", "tls_port")},
        "host": {name: host.get(name) for name in ("application", "commit", "screen", "models")},
    }


def ended(sources: Sources, checks: tuple[Result, ...]) -> dict[str, Any] | None:
    """How the program ended, where it is missed: a `runs.End`, with its log by the place under /logs/ and that log's
    `title`. None where it is there, or waits for something else.
    """
    program = sources.words.program
    missed = any(not check.ok and check.name == PROGRAM_CHECK for check in checks)
    end = sources.end_of(program.name) if program and missed else None
    if program is None or end is None:
        return None
    name = Path(end.log).name
    return {**asdict(end), "service": program.name, "log": name, "title": sources.words.log(name)}


def _other_ends(sources: Sources, end: dict[str, Any] | None) -> list[str]:
    """Lines on services that ended, without the program's where its `end` is told at length."""
    return [line for line in sources.ends() if end is None or not line.startswith(f"{end['service']} ")]


def _titled(words: Words, service: dict[str, Any]) -> dict[str, Any]:
    """A link of the index, with what it is where its name does not say it."""
    title = words.page(str(service.get("name"))) if service.get("kind") == "page" else ""
    return {**service, "title": title}


def refused(folders: Mapping[str, Path], *, now: float) -> dict[str, int | bool]:
    """How many requests were answered 401 within the last `REFUSED_WINDOW` seconds: failed logins, and visits
    without one. `at_least` is true when there were more lines in that time than are looked at.

    Caddy has no limiter of its own, and 16 characters cannot be guessed at any speed; so they are counted and
    shown. The access log does not say which kind a request was, since it keeps neither queries nor headers.
    """
    count, more = 0, False
    for name in (paths.CADDY_LOG.name, f"{paths.CADDY_LOG.name}.1"):
        try:
            with logs.open_log(name, folders) as file:
                tail = logs.read_tail(file, _TAIL)
        except logs.NoSuchLog:
            break
        count += _refused_since(now - REFUSED_WINDOW, tail)
        if more := len(tail) == _TAIL and _first_time(tail) > now - REFUSED_WINDOW:
            break
    return {"requests": count, "at_least": more, "seconds": REFUSED_WINDOW}


def _refused_since(begin: float, log: bytes) -> int:
    # 1 MiB of JSON takes 30 ms to parse, looking for the few lines first 1.
    return sum(_time_of(line, b'"status":401') > begin for line in log.splitlines())


def _first_time(log: bytes) -> float:
    """The time of the first line that has one; 0 when none has."""
    return next((seconds for line in log.splitlines() if (seconds := _time_of(line, b"")) > 0), 0.0)


def _time_of(line: bytes, mark: bytes) -> float:
    """The time of one line of the access log that holds `mark`; 0 for a cut one, and for what is none of Caddy's."""
    if mark not in line:
        return 0.0
    try:
        entry = json.loads(line)
        return float(entry["ts"]) if not mark or entry["status"] == 401 else 0.0
    except (ValueError, KeyError, TypeError):
        return 0.0
