"""Say when this box ends by itself, or agree otherwise: visomaster-lease [--json] [--until TIME] [--extend SPAN]

For root, but for --keep, which is what the portal's button and the desktop's menu do. Exit status 0 where the box
ends itself, or nothing is agreed; 1, with the reason in one line, where it was asked for and cannot be.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from typing import Any

from visomaster_host import paths
from visomaster_host.lease import door, instance, serve, terms, times, told
from visomaster_host.lease.asked import IDLE, LONGEST_IDLE, OnEnd
from visomaster_host.lease.terms import Terms
from visomaster_host.problems import Problem, complain, reporting
from visomaster_host.settings import read_settings
from visomaster_host.text import printable


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-lease; returns its exit status, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(
        prog="visomaster-lease", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--until", type=_time, metavar="TIME", help="when the lease ends, UTC: 2026-11-27T05:00Z")
    what.add_argument("--extend", type=_span, metavar="SPAN", help="have it end later: 90m, 2h, at most 720h")
    what.add_argument("--keep", action="store_true", help="another hour, as the button does")
    parser.add_argument("--on-end", choices=[str(each) for each in OnEnd], help="what happens then")
    parser.add_argument("--idle", type=_idle, metavar="MINUTES", help="stop it after so long without use; 0: never")
    arguments = parser.parse_args(argv)
    return reporting("visomaster-lease", lambda: run(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked. Raises `Problem`, OSError."""
    if arguments.keep:
        print(printable(door.ask(paths.LEASE_FOR_PAGES if os.geteuid() == 0 else paths.LEASE_FOR_DESKTOP)))
        return 0
    if os.geteuid() != 0:
        raise Problem("must be run as root; --keep is for everybody on the desktop")
    known = instance.stored()
    changes = (arguments.until, arguments.extend, arguments.on_end, arguments.idle)
    if any(each is not None for each in changes):
        if known is None:
            raise Problem("this box has no key of its own (CONTAINER_API_KEY): it cannot end itself")
        serve.agree(lambda before: changed(before, arguments, time.time()))
    return tell(agreed(), known, as_json=arguments.json)


def agreed() -> Terms:
    """What counts now. Raises `Problem`."""
    try:
        return terms.agreed(read_settings())
    except terms.Damaged as damaged:
        raise Problem(str(damaged)) from None


def changed(before: Terms, arguments: argparse.Namespace, now: float) -> Terms:
    """`before`, as the arguments want it from now on. Raises `Problem`."""
    after = before
    if arguments.until is not None:
        after = replace(after, until=arguments.until, given=arguments.until, kept=0, kept_on_desktop=0)
        if before.until is None and not before.idle:
            after = replace(after, idle=IDLE)
    if arguments.extend is not None:
        if before.until is None:
            raise Problem("--extend: there is no lease yet: begin one with --until")
        after = replace(after, until=int(max(before.until, now)) + arguments.extend)
    if arguments.on_end is not None:
        after = replace(after, on_end=OnEnd(arguments.on_end))
    return after if arguments.idle is None else replace(after, idle=arguments.idle)


def tell(found: Terms, known: instance.Instance | None, *, as_json: bool) -> int:
    """Print what is agreed; returns the exit status."""
    state = told.read() if known is not None else None
    asked = found.until is not None or found.idle > 0
    trouble = str(state["trouble"]) if state else ""
    if known is None and asked:
        trouble = "this box has no key of its own (CONTAINER_API_KEY): it cannot end itself"
    if as_json:
        print(json.dumps(document(found, known, state) | {"trouble": trouble}))
    else:
        print(printable(sentence(found)))
        if trouble:
            complain(f"visomaster-lease: {trouble}")
    return 1 if trouble else 0


def document(found: Terms, known: instance.Instance | None, state: dict[str, Any] | None) -> dict[str, object]:
    """What is agreed, as programs read it."""
    return {
        "kept": known is not None and (found.until is not None or found.idle > 0),
        "instance": None if known is None else int(known.number),
        "until": None if found.until is None else times.show(found.until),
        "given": None if found.given is None else times.show(found.given),
        "on_end": str(found.on_end),
        "idle": found.idle,
        "ends": state["ends"] if state else None,
        "why": state["why"] if state else None,
    }


def sentence(found: Terms) -> str:
    """What is agreed, for a person."""
    parts = [] if found.until is None else [f"until {times.show(found.until)}, then {found.on_end}"]
    parts += [f"stop after {found.idle} minutes without use"] if found.idle else []
    return "; ".join(parts) or "no lease: this box does not end by itself"


def _time(text: str) -> int:
    return _checked(times.parse, text)


def _span(text: str) -> int:
    return _checked(times.span, text)


def _checked(read: Any, text: str) -> int:
    try:
        return int(read(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from None


def _idle(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= LONGEST_IDLE):
        raise argparse.ArgumentTypeError(f"expected whole minutes from 0 to {LONGEST_IDLE}, got {text!r}")
    return int(text)
