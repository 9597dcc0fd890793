"""The boxes that are there: what each costs, the way in, the folder home, the end."""

from __future__ import annotations

import contextlib
import html
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from visomaster_host.choices import Access
from visomaster_host.colours import Colour

from spec.variant import VARIANTS
from vast import sync
from vast.books import Attempt, Books
from vast.boxes import Box, read_box
from vast.calls import Calls
from vast.errors import VastError
from vast.jobs import Job, running
from vast.machine import Machine, find_key, reached
from vast.shown import Screen, lasted

TUNNEL_WITHIN = 60.0
TUNNEL_TRIES = 5
"""A tunnel that ends is made again so often, with pauses, before it is given up; one that answered begins anew."""

_HEADINGS = ("", "state", "GPU", "$/h", "spent", "lease left", "by", "address")


def number_of(name: str) -> int:
    """The number of the box called `name`: that alone, or `vast-NUMBER`. Raises `VastError` for what is none."""
    match = re.fullmatch(r"(?:vast-)?([0-9]{1,18})", name.strip())
    if not match:
        raise VastError(f"BOX: expected a box's number, as `make boxes` lists it, got {name!r}")
    return int(match[1])


@dataclass(frozen=True, kw_only=True)
class Owned:
    """The boxes of this project on an account, and what this machine knows of them."""

    calls: Calls
    books: Books
    screen: Screen
    environment: Mapping[str, str]
    sleep: Callable[[float], None] = time.sleep

    def boxes(self) -> list[Box]:
        """Those of this project, past their lease first. Raises `VastError`."""
        now = self.calls.api.now()
        found = [box for box in map(read_box, self.calls.instances()) if box.is_ours]
        return sorted(found, key=lambda box: (not (box.lease and box.lease.expired(now)), box.id))

    def show(self) -> None:
        """The table of them on the screen. Raises `VastError`."""
        boxes, now = self.boxes(), self.calls.api.now()
        if not boxes:
            self.screen.say("no box of this project is on the account")
        cells = [_HEADINGS, *(_row(box, now) for box in boxes)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADINGS))]
        for box, row in zip([None, *boxes] if boxes else [], cells, strict=False):
            line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            self.screen.row(line, _colour(box, now) if box else None)
        self.left_behind(boxes)

    def left_behind(self, boxes: Sequence[Box]) -> None:
        """Name the boxes of runs on this machine that were killed; forget those of which there is nothing any more."""
        for attempt in self.books.all():
            if attempt.is_somebodys():
                continue
            marks = (box for box in boxes if box.id == attempt.number or (box.lease and box.lease.mark == attempt.mark))
            box = next(marks, None)
            if box is None and time.time() - attempt.begun > 600:  # one that was just asked for may still come up
                attempt.forget()
            elif box is not None and not attempt.handed:
                cost = f"${attempt.hourly:.3f}/h"
                self.screen.bad(f"{box.name} is of a run that was killed and costs {cost}: make end BOX={box.id}")

    def box(self, name: str) -> Box:
        """The box called `name`: a number or `vast-NUMBER`. Raises `VastError` for one that is not of this project."""
        number = number_of(name)
        raw = self.calls.instance(number)
        if raw is None:
            raise VastError(f"BOX: there is no box {number} on the account (any more)")
        box = read_box(raw)
        if not box.is_ours:
            by_hand = f"vastai destroy instance {box.id}"
            raise VastError(f"BOX: {box.name} {box.label!r} is no box of this project; to end it: {by_hand}")
        return box

    def known(self, box: Box) -> Attempt | None:
        """What this machine's books say of it."""
        return self.books.of(box.id, box.lease.mark if box.lease else None)

    def machine(self, box: Box, key: str) -> Machine:
        """The way to it. Raises `VastError`, `OSError`."""
        known = self.known(box)
        folder = known.folder if known else self.books.place(box.id)
        return reached(box, folder, find_key(key or (known.key if known else ""), self.environment).path)

    def sync(self, name: str, key: str, folder: Path) -> None:
        """Bring `folder` home and there. Raises `SyncError`, `VastError`, `OSError`."""
        folder.mkdir(exist_ok=True)
        came, went = sync.sync(self.machine(self.box(name), key), folder, self.screen.say)
        self.screen.say(f"{came.carried} files came home to {folder}, {went.carried} went there")

    def end(self, name: str, key: str, folder: Path | None) -> None:
        """Bring its work home to `folder` (None: leave it), destroy it, wait until it is gone, say what it cost.

        Raises `VastError` where it lives on, also because its work could not be brought home.
        """
        box = self.box(name)
        if folder is not None:
            self._home(box, key, folder)
        spent, known = box.spent(self.calls.api.now()), self.known(box)
        self.calls.end(box.id)
        if known:
            known.forget()
        about = ("at least " if spent.at_least else "about ") if spent else ""
        cost = f"it cost {about}${spent.total:.2f}, without traffic" if spent else "Vast did not say what it cost"
        self.screen.say(f"{box.name} is gone, {cost}")

    def _home(self, box: Box, key: str, folder: Path) -> None:
        known = self.known(box)
        if box.status in ("provisioning", "created", "loading") or (known and not known.handed):
            self.screen.say(f"{box.name} was never handed over: there is no work to bring home")
            return
        without = f"make end BOX={box.id} KEEP=no ends it without its work"
        if box.status != "running":
            start = f"vastai start instance {box.id}"
            raise VastError(f"{box.name} is {box.status}, its work cannot be brought home: {start}; {without}")
        folder.mkdir(exist_ok=True)
        try:
            proven = sync.home(self.machine(box, key), folder, self.screen.say)
        except (sync.SyncError, VastError, OSError) as error:
            raise VastError(f"{box.name} was not ended: {error}; {without}") from None
        self.screen.say(f"{proven.carried} files came home to {folder}, {proven.same} were there")

    def open(self, name: str, key: str) -> None:
        """Open its desktop through a tunnel, until interrupted. Raises `VastError` when the tunnel is not to be had."""
        box = self.box(name)
        machine = self.machine(box, key)
        variant = VARIANTS.get(box.variant or "")
        if variant is None:
            raise VastError(f"{box.name}: its label names no variant: {box.label!r}")
        token = machine.json("visomaster-credentials", "--json")
        port = _free_port()
        tries = 0
        while tries < TUNNEL_TRIES:
            with _tunnel(machine, port, variant.port) as job:
                if _answers(job, port, is_web=variant.access is Access.PORTAL, sleep=self.sleep):
                    if not tries or variant.access is Access.VNC:
                        self._greet(machine, port, variant.access, token)
                    tries = 0
                    while job.status() is None:
                        self.sleep(1.0)
                reason = job.last()
            tries += 1
            self.screen.bad(f"the tunnel to {box.name} ended{f': {reason}' if reason else ''}; trying again")
            self.sleep(min(30.0, 2.0**tries))
        raise VastError(f"{box.name}: no tunnel after {TUNNEL_TRIES} tries: make boxes says whether it runs")

    def _greet(self, machine: Machine, port: int, access: Access, told: Mapping[str, object]) -> None:
        """The address on the screen, with its secret on a terminal alone, and in a browser where there is one."""
        secret = str(told.get("token") or told.get("password") or "")
        if access is Access.VNC:
            shown = f", password {secret}" if self.screen.is_terminal else ""
            self.screen.say(f"127.0.0.1:{port} for your VNC client{shown}; Ctrl-C closes the tunnel")
            return
        address = f"http://127.0.0.1:{port}/"
        url = f"{address}?token={quote(secret, safe='')}"
        hint = " (visomaster-credentials on the box has the token)"
        self.screen.say(f"{url if self.screen.is_terminal else address + hint}; Ctrl-C closes the tunnel")
        _browse(url, machine.folder / "open.html", self.environment)


def _colour(box: Box, now: float) -> Colour:
    """Red past the lease, yellow for one that costs and cannot be used, green for one that runs."""
    if box.lease and box.lease.expired(now):
        return Colour.RED
    return Colour.GREEN if box.status == "running" else Colour.YELLOW


def _row(box: Box, now: float) -> tuple[str, ...]:
    lease, spent, price = box.lease, box.spent(now), box.price
    left = lease.left(now) if lease else None
    seconds = left.total_seconds() if left else 0.0
    told = ("" if left is None else f"{lasted(seconds)}"[:-3]) if seconds > 0 else f"over since {lasted(-seconds)[:-3]}"
    hourly = "?"
    if price:
        runs = box.status == "running"
        hourly = f"{price.total:.3f}" if runs else f"{price.storage:.3f} (storage)"
    cost = f"{'>' if spent.at_least else ''}${spent.total:.2f}" if spent else "?"
    address = f"{box.endpoint[0]}:{box.endpoint[1]}" if box.endpoint else ""
    by = (lease.by if lease else "") or ""
    return (box.name, box.status, box.gpu, hourly, cost, told if left is not None else "?", by, address)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def _tunnel(machine: Machine, port: int, inner: int) -> Iterator[Job]:
    options = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:{inner}")
    with running([*machine.ssh_command(), *options, machine.host], machine.folder / "tunnel.log") as job:
        yield job


def _answers(job: Job, port: int, *, is_web: bool, sleep: Callable[[float], None]) -> bool:
    """Whether the desktop answers through the tunnel; waited for while the tunnel lives, with a bound."""
    deadline = time.monotonic() + TUNNEL_WITHIN
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine's proxy is not asked
    while job.status() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.URLError):
            if is_web:
                opener.open(f"http://127.0.0.1:{port}/health", timeout=5).close()
                return True
            with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
                if line.recv(4) == b"RFB ":
                    return True
        sleep(0.2)
    return False


def _browse(url: str, page: Path, environment: Mapping[str, str]) -> None:
    """Open `url` in a browser, by a page that only its owner reads: an argument list is read by everybody here."""
    program = next((found for name in ("xdg-open", "open") if (found := shutil.which(name))), None)
    if program is None or not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") or program == "open"):
        return
    with contextlib.suppress(OSError):
        page.unlink(missing_ok=True)
        descriptor = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f'<meta http-equiv="refresh" content="0; url={html.escape(url)}">\n')
        subprocess.Popen(
            [program, str(page)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
