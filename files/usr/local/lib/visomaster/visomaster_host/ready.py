"""Say whether this host is ready to be used: visomaster-ready [--json] [--wait SECONDS | --health | --summary]

Prints one line per part, `ok`, `warning` or `missing` with the reason. Exit status 0 only when every part really works:
the X server answers, a window manager runs, VNC shakes hands, the application's window is on the screen.
With --wait, one line says what is still waited for, and the others come at the end.
With --summary it waits for an hour at most, then says where the desktop is opened, and how it is stopped and checked.
With --health, as an image's health check asks, it is 0 as well while nothing but models is missing and more of
them arrives, and what waits for them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from visomaster_host import health, runs, supervisor, way_in
from visomaster_host.colours import Colour, coloured
from visomaster_host.host import Host, read_host
from visomaster_host.problems import NotReady, Problem, Warned, reporting
from visomaster_host.refusals import refusal
from visomaster_host.service import Check, Result
from visomaster_host.services import services_of
from visomaster_host.settings import read_settings
from visomaster_host.text import brief, printable
from visomaster_host.waiting import Waiting

Report = Callable[[list[Result]], None]
"""Is given the results."""

POLL = 0.25
"""Seconds between two looks while waiting."""

PATIENCE = 3600.0
"""Seconds for a first start that fetches the models, where nobody waits."""

CALM = 2.0
"""Seconds between two looks where nobody waits: what starts is not to be kept from it."""

_COLOURS = {"ok": Colour.GREEN, "warning": Colour.YELLOW, "missing": Colour.RED}


def checks_for(host: Host) -> tuple[tuple[Check, str], ...]:
    """What is asked of the services of `host`, each with the name of its service, in the order they come up.

    Raises `Problem` as `services_of` does.
    """
    asked = [
        (check.place or service.priority, check, service.name)
        for service in services_of(host)
        for check in service.checks
    ]
    return tuple((check, service) for _, check, service in sorted(asked, key=lambda each: each[0]))


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-ready; returns 0 when the host is ready, 1 when not, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(
        prog="visomaster-ready", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--health", action="store_true", help="status 0 too while the models of a first start arrive")
    how.add_argument("--summary", action="store_true", help="wait for it, then say where it is opened")
    how.add_argument("--wait", type=_seconds, default=0.0, metavar="SECONDS", help="wait so long for it")
    arguments = parser.parse_args(argv)
    report = print_json if arguments.json else print_lines
    if arguments.health:
        return reporting("visomaster-ready", lambda: tell_health(read_host(), report))
    if arguments.summary:
        return reporting("visomaster-ready", lambda: summarise(read_host()))
    return reporting("visomaster-ready", lambda: wait_until_ready(read_host(), arguments.wait, report))


def tell_health(host: Host, report: Report) -> int:
    """Look once, and `report`; 0 when everything is ready or there is a good reason why it is not yet."""
    results = look(host)
    report(results)
    if all(result.ok for result in results):
        return 0
    reason = health.excuse(host, results, time.time())
    if reason is not None and report is not print_json:
        print(printable(reason))
    return 1 if reason is None else 0


def wait_until_ready(host: Host, seconds: float, report: Report) -> int:
    """Look until everything is ready or `seconds` are over, then `report`; meanwhile one line says what is missing."""
    deadline = time.monotonic() + seconds
    waiting = Waiting(sys.stdout)
    while True:
        results = look(host)
        missing = [result.name for result in results if not result.ok]
        if not missing or time.monotonic() >= deadline:
            waiting.end()
            report(results)
            return 1 if missing else 0
        if report is not print_json:
            waiting.show(missing)
        time.sleep(POLL)


def summarise(host: Host) -> int:
    """Wait without a word until everything is ready, then print where it is opened; what is missing after `PATIENCE`.

    Raises `Problem`.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        results = look(host)
        if all(result.ok for result in results):
            break
        if time.monotonic() >= deadline:
            print_lines(results)
            return 1
        time.sleep(CALM)
    way_in.summary(host, read_settings()).tell(sys.stdout)
    return 0


def look(host: Host) -> list[Result]:
    """Try every part of `host` once. Those that stand on no other are tried at the same time, since x11vnc takes 0.2 s
    to greet and is asked twice; then the others, unless what they stand on is missing.
    """
    asked = checks_for(host)
    first = [each for each in asked if each[0].after is None]
    with ThreadPoolExecutor() as pool:
        results = {result.name: result for result in pool.map(lambda each: _try(*each, host=host), first)}
    for check, service in asked:
        if check.after is not None:
            results[check.name] = _try(check, service, host=host, stands_on=results[check.after])
    return [results[check.name] for check, _ in asked]


def _try(check: Check, service: str, *, host: Host, stands_on: Result | None = None) -> Result:
    try:
        if stands_on and not stands_on.ok:
            raise NotReady(f"needs {stands_on.name}")
        found, before = check.probe(host), runs.told_of(service, missing=False)
        return Result(name=check.name, ok=True, detail=brief(f"{found}{before and '; '}{before}"))
    except Warned as warning:
        return Result(name=check.name, ok=True, detail=brief(warning), warning=True)
    except (NotReady, Problem, OSError) as error:
        reason = refusal(error) if isinstance(error, OSError) else str(error)
        # What stands on a missing part ended for that part.
        before = "" if stands_on and not stands_on.ok else runs.told_of(service, missing=True)
        told = f"{reason}{before and '; '}{before}{_state_of(service)}"
        return Result(name=check.name, ok=False, detail=brief(told))


def print_lines(results: list[Result]) -> None:
    """Print one line for each result."""
    for result in results:
        found = "warning" if result.warning else "ok" if result.ok else "missing"
        gap = " " * (8 - len(found))
        print(coloured(found, _COLOURS[found], sys.stdout), end=gap)
        print(printable(f"{result.name}: {result.detail}"), flush=True)


def print_json(results: list[Result]) -> None:
    """Print all results as one JSON object: {"ready": bool, "checks": [{"name", "ok", "detail"}], "notices": [text]}.

    A notice is what happened since the host was started and may have been healed since.
    """
    ready = all(result.ok for result in results)
    checks = [result.as_json() for result in results]
    print(json.dumps({"ready": ready, "checks": checks, "notices": runs.notices()}))


def _state_of(service: str) -> str:
    """What supervisord says of a service that does not run as it should, to root; else nothing."""
    try:
        program = supervisor.programs().get(service)
    except Problem:
        return ""
    if program is None or program.state == "RUNNING":
        return ""
    return f" ({program.name} is {program.state}{program.why and ': '}{program.why})"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got {text!r}") from None
    if not 0 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"expected 0 to 86400 seconds, got {text}")
    return seconds
