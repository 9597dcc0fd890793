"""Command line of rentals: `python -m vast --help`. The Makefile's targets call it."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import math
import os
import re
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from visomaster_host.text import Told, brief

from spec import image as images
from spec.application import load_application
from spec.here import ROOT
from spec.variant import VARIANTS
from vast.api import URL, Api, read_key
from vast.books import FOLDER, Books
from vast.boxes import read_box
from vast.calls import Calls
from vast.errors import VastError
from vast.fit import Way
from vast.machine import find_key
from vast.offers import Market, Need, market, need, table
from vast.owned import Owned, number_of
from vast.preparing import Preparing, Wanted
from vast.renting import Limits, Rental
from vast.shown import Screen

SCRATCH = "nvidia/cuda:12.4.1-runtime-ubuntu22.04"
"""A bare box: CUDA's own image, of the driver's age that the applications need at least."""

WORKSPACE = ROOT / "workspace"
MOST_HOURS = 24 * 30


class Parser(argparse.ArgumentParser):
    """argparse's own; what is wrong is one line, which names settings as the Makefile takes them, too."""

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line."""
        named = re.sub(r"--([a-z-]+)", lambda found: f"{found[1].upper().replace('-', '_')}= ({found[0]})", message)
        self.exit(2, f"{brief(f'{self.prog}: {named}')}\n")


class Interrupted(BaseException):
    """A signal: nothing goes on but the ending of boxes."""


def number(least: float, most: float) -> type[float]:
    """A reader of numbers from `least` to `most`, as argparse wants it."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected a number from {least:g} to {most:g}, got {text!r}")
        return value

    return read  # type: ignore[return-value]


def whole(least: int, most: int) -> type[int]:
    """A reader of whole numbers, likewise."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 9 or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, got {text!r}")
        return int(text)

    return read  # type: ignore[return-value]


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = Parser(prog="python -m vast", description="Rent boxes at Vast.ai, and end them.")
    top.add_argument("--state", type=Path, default=FOLDER, help="where runs are remembered")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    offers = commands.add_parser("offers", help="what can be rented, the cheapest lease first")
    rent = commands.add_parser("rent", help="rent a box, make it a desktop, prove that it computes")
    for command in (offers, rent):
        command.add_argument("--variant", required=True, choices=list(VARIANTS))
        command.add_argument("--max-price", required=command is rent, type=number(0.001, 1000), help="dollars an hour")
        command.add_argument("--hours", required=command is rent, default=1.0, type=number(0.1, MOST_HOURS))
        command.add_argument("--application", default="visomaster")
        command.add_argument("--accelerator", default="")
        command.add_argument("--image", default="", help="a published image; without: from scratch, by this playbook")
    _add_rent(rent)
    commands.add_parser("boxes", help="the boxes of this project, what they cost, when they end")
    for name in ("open", "sync", "end"):
        command = commands.add_parser(name)
        command.add_argument("--box", required=True)
        command.add_argument("--ssh-key", default="")
        command.add_argument("--workspace", type=Path, default=WORKSPACE)
        if name == "end":
            command.add_argument("--without-home", action="store_true", help="its work is not wanted")
    return top


def _add_rent(rent: argparse.ArgumentParser) -> None:
    rent.add_argument("--yes", action="store_true", help="do not ask")
    rent.add_argument("--count", type=whole(1, 20), default=1)
    rent.add_argument("--tries", type=whole(1, 10), default=3, help="machines to try for each box")
    rent.add_argument("--limit", type=number(1, 180), default=30.0, help="minutes until a box runs")
    rent.add_argument("--base", default=SCRATCH, help="what a box from scratch is begun with")
    rent.add_argument("--data", action="append", default=[], help="KEY=VALUE of the deploy, from scratch")
    rent.add_argument("--env", action="append", default=[], help="NAME=VALUE, a variable of the box")
    rent.add_argument("--on-end", choices=["stop", "destroy"], default="stop")
    rent.add_argument("--idle", type=whole(0, 10000), default=60, help="minutes; 0: never")
    rent.add_argument("--ssh-key", default="")
    rent.add_argument("--workspace", type=Path, default=WORKSPACE)
    rent.add_argument("--without-gpu", action="store_true", help="for the sandbox's application alone")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status, with one line when it fails."""
    options = parser().parse_args(arguments)
    screen = Screen(sys.stderr)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN:  # of nohup
            signal.signal(each, _interrupt)
    try:
        run(options, screen)
    except Interrupted as error:
        with contextlib.suppress(OSError, ValueError):
            screen.say("interrupted")
        return 128 + int(error.args[0])
    except (Told, OSError, ValueError) as error:
        screen.say(brief(f"vast: {error}"))
        return 1
    return 0


def _interrupt(which: int, _: FrameType | None) -> NoReturn:
    raise Interrupted(which)


def run(options: argparse.Namespace, screen: Screen) -> None:
    """Run the command of `options`. Raises `Told`, `OSError`, `ValueError`."""
    _refuse(options)
    api = Api(os.environ.get("VAST_URL") or URL, read_key(os.environ), say=screen.say)
    calls, books = Calls(api), Books(options.state.absolute())
    owned = Owned(calls=calls, books=books, screen=screen, environment=os.environ)
    match options.command:
        case "offers":
            _show(_market(calls, _need(options)), _need(options), screen)
        case "rent":
            rent(options, calls, owned, screen)
        case "boxes":
            owned.show()
        case "open":
            owned.open(options.box, options.ssh_key)
        case "sync":
            owned.sync(options.box, options.ssh_key, options.workspace)
        case "end":
            for name in options.box.split(","):
                owned.end(name, options.ssh_key, None if options.without_home else options.workspace)


def _refuse(options: argparse.Namespace) -> None:
    """Raise `ValueError` or `VastError` for what is wrong whatever the account says: before its key is asked for."""
    match options.command:
        case "rent":
            _wanted(options)
        case "offers":
            _published(options.image)
            _need(options)
        case "open" | "sync" | "end":
            for name in options.box.split(",") if options.command == "end" else [options.box]:
                number_of(name)


def rent(options: argparse.Namespace, calls: Calls, owned: Owned, screen: Screen) -> None:
    """Rent what `options` say. Raises `Told`, `OSError`, `ValueError`."""
    wanted = _wanted(options)
    key = find_key(options.ssh_key, os.environ)
    if not options.yes and not sys.stdin.isatty():
        raise VastError("nobody is there to say yes: add --yes (YES=yes) to rent without being asked")
    owned.left_behind([box for box in map(read_box, calls.instances()) if box.is_ours])
    needed = _need(options)
    found = _market(calls, needed)
    _show(found, needed, screen)
    if not found.offers:
        raise VastError("no offer fits: raise MAX_PRICE=, or try again later")
    dearest = max(needed.cost(offer).total for offer in found.offers[: options.count])
    if not options.yes:
        _agree(
            f"{options.count} x {options.hours:g} h for about ${dearest * options.count:.2f} in all, at most "
            f"${options.max_price:.3f}/h each: rent? [y/N] "
        )
    steps = Preparing(calls, wanted, key, screen.say, tuple(options.env))
    limits = Limits(count=options.count, tries=options.tries, up=options.limit * 60, disk=needed.disk)
    rental = Rental(calls, owned.books, steps, screen, limits, key=str(key.path), wall=calls.api.now)
    try:
        rental.run(found.offers)
    finally:
        for box in steps.handed:
            screen.box(box)


def _agree(question: str) -> None:
    try:
        answer = input(question)
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise VastError("nothing was rented, as answered")


def _need(options: argparse.Namespace) -> Need:
    accelerator = load_application(options.application).accelerator(options.accelerator or None).name
    way = Way.IMAGE if options.image else Way.SCRATCH
    return need(accelerator, way, VARIANTS[options.variant].models, options.hours, options.max_price)


def _market(calls: Calls, needed: Need) -> Market:
    return market(calls.search(needed.query()), needed)


def _show(found: Market, needed: Need, screen: Screen) -> None:
    for line in table(found.offers, needed):
        screen.say(line)
    if told := found.told():
        screen.say(told)


def _published(image: str) -> None:
    """Raise `ValueError` where `image`, if there is one, is no name of one."""
    try:
        if image:
            images.own_repository(image.rpartition(":")[0] or image)
    except ValueError as error:
        raise ValueError(f"image: {str(error).removeprefix('repository: ')}") from None


def _wanted(options: argparse.Namespace) -> Wanted:
    """What a box is to be. Raises `ValueError` naming the field that is wrong."""
    _published(options.image)
    if options.image and options.data:
        raise ValueError("data: only for a box from scratch, without IMAGE=")
    for field, pairs in {"data": options.data, "env": options.env}.items():
        for pair in pairs:
            if not pair.partition("=")[0] or "=" not in pair:
                raise ValueError(f"{field}: expected NAME=VALUE, got {pair!r}")
    if options.without_gpu and options.application != "sandbox":
        raise ValueError(
            f"without-gpu: {options.application} computes on a GPU, only the sandbox's application does not"
        )
    needed = _need(options)
    with contextlib.suppress(OSError, KeyError, ImportError):
        os.environ.setdefault("LOGNAME", getpass.getuser())
    accelerator = [f"accelerator={options.accelerator}"] if options.accelerator else []
    return Wanted(
        variant=VARIANTS[options.variant],
        application=options.application,
        image=options.image or options.base,
        is_scratch=not options.image,
        data=(*accelerator, *options.data),
        disk=needed.disk,
        hours=options.hours,
        on_end=options.on_end,
        idle=options.idle,
        by=os.environ.get("LOGNAME", ""),
        gpu=not options.without_gpu,
        folder=options.workspace.absolute(),
    )


if __name__ == "__main__":
    sys.exit(main())
