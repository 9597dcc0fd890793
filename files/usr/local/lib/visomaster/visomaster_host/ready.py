"""Say whether this host is ready to be used: visomaster-ready [--json] [--wait SECONDS]

Prints one line per part, `ok` or `missing` with the reason. Exit status 0 only when every part really works:
the X server answers, a window manager runs, VNC shakes hands, the application's window is on the screen.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from visomaster_host import supervisor
from visomaster_host.host import Host, read_host
from visomaster_host.problems import NotReady, Problem, reporting
from visomaster_host.refusals import refusal
from visomaster_host.service import Check, Result
from visomaster_host.services import services_of
from visomaster_host.text import brief, printable

POLL = 0.25
"""Seconds between two looks while waiting."""


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
    parser.add_argument("--wait", type=_seconds, default=0.0, metavar="SECONDS", help="wait so long for it")
    arguments = parser.parse_args(argv)
    report = print_json if arguments.json else print_lines
    return reporting("visomaster-ready", lambda: wait_until_ready(read_host(), arguments.wait, report))


def wait_until_ready(host: Host, seconds: float, report: Callable[[list[Result], list[Result]], None]) -> int:
    """Look until everything is ready or `seconds` are over; `report` gets the results now and before."""
    deadline = time.monotonic() + seconds
    before: list[Result] = []
    while True:
        results = look(host)
        ready = all(result.ok for result in results)
        last = ready or time.monotonic() >= deadline
        if last or report is not print_json:
            report(results, before)
        if last:
            return 0 if ready else 1
        before = results
        time.sleep(POLL)


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
        return Result(name=check.name, ok=True, detail=brief(check.probe(host)))
    except (NotReady, Problem, OSError) as error:
        reason = refusal(error) if isinstance(error, OSError) else str(error)
        return Result(name=check.name, ok=False, detail=brief(f"{reason}{_state_of(service)}"))


def print_lines(results: list[Result], before: list[Result]) -> None:
    """Print one line for each result that is not as it was before."""
    for result in results:
        if result not in before:
            print(printable(f"{'ok' if result.ok else 'missing':8}{result.name}: {result.detail}"), flush=True)


def print_json(results: list[Result], before: list[Result]) -> None:
    """Print all results as one JSON object: {"ready": bool, "checks": [{"name", "ok", "detail"}]}."""
    ready = all(result.ok for result in results)
    print(json.dumps({"ready": ready, "checks": [asdict(result) for result in results]}))


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
