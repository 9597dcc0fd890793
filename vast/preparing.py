"""What makes a box that runs a desktop, and proves it: SSH, this playbook where it has no image, readiness, tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from visomaster_host.choices import ModelsAt
from visomaster_host.summary import Summary

from spec.here import ROOT
from spec.variant import Variant
from vast import checking, handed, sync
from vast.books import Attempt
from vast.boxes import Box
from vast.calls import Ask, Calls
from vast.errors import VastError
from vast.jobs import running
from vast.lease import Lease, new_lease
from vast.machine import Key, Machine, reached
from vast.template import ONSTART
from vast.waiting import SSH_WITHIN, Patience, Unfit, until_done, until_ready, until_ssh

APPLY_WITHIN = 3600.0
CHECK_WITHIN = 1200.0
READY_WITHIN = {ModelsAt.BUILD: 600.0, ModelsAt.START: 3600.0}
"""Seconds. Models that are fetched at the first start are several GB."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a box is to be. `image` is what Vast starts; with `is_scratch` it is bare, and the playbook is applied with
    `data` (KEY=VALUE). `idle` is minutes, `hours` the lease, `folder` what follows a person."""

    variant: Variant
    application: str
    image: str
    is_scratch: bool
    data: tuple[str, ...]
    disk: int
    hours: float
    on_end: str
    idle: int
    by: str
    gpu: bool
    folder: Path


class Preparing:
    """The steps of `vast.renting.Steps` on real boxes."""

    def __init__(
        self, calls: Calls, wanted: Wanted, key: Key, say: Callable[[str], None], environment: tuple[str, ...] = ()
    ) -> None:
        """For boxes that are `wanted`, reached by `key`; `environment` is more variables of the box (NAME=VALUE)."""
        self._calls, self._wanted, self._key, self._say = calls, wanted, key, say
        self._environment = environment
        self.handed: list[Summary] = []
        """The boxes that this run ends with, one for each that was handed over."""

    def lease(self) -> Lease:
        """A new lease, by Vast's clock."""
        return new_lease(self._wanted.variant.name, self._wanted.hours, self._wanted.by, self._calls.api.now())

    def ask(self, lease: Lease) -> Ask:
        """What is to be created. No port is published and no secret is sent: all goes over SSH, and the box makes a
        token of its own."""
        wanted = self._wanted
        until = f"{lease.until:%Y-%m-%dT%H:%MZ}" if lease.until else ""
        variables = {"LEASE_UNTIL": until, "ON_END": wanted.on_end, "IDLE": str(wanted.idle)}
        variables |= dict(pair.split("=", 1) for pair in self._environment)
        # From scratch the on-start line finds nothing at first; after the playbook it brings the desktop at each start.
        line = f"! command -v {ONSTART} >/dev/null || {ONSTART}" if wanted.is_scratch else ONSTART
        return Ask(image=wanted.image, disk=wanted.disk, label=lease.label(), onstart=line, env=variables)

    def prepare(self, box: Box, attempt: Attempt) -> Generator[str, None, None]:
        """Make it a desktop and prove that it computes. Raises `Unfit`."""
        self._attach(box)
        machine = reached(box, attempt.folder, self._key.path)
        yield from until_ssh(machine, lambda: self._attach(box), Patience(what="SSH", seconds=SSH_WITHIN))
        if self._wanted.is_scratch:
            yield from self._applied(box, machine)
        ready_within = READY_WITHIN[self._wanted.variant.models]
        yield from until_ready(machine, Patience(what="the desktop", seconds=ready_within))
        yield from self._checked(machine)

    def _attach(self, box: Box) -> None:
        """Let our key in: the account may have another one, or none."""
        try:
            self._calls.attach_key(box.id, self._key.public)
        except VastError as error:  # SSH decides
            self._say(str(error))

    def _applied(self, box: Box, machine: Machine) -> Iterator[str]:
        wanted = self._wanted
        inventory = write_inventory(box, machine, self._key)
        pairs = (f"variant={wanted.variant.name}", f"application={wanted.application}", *wanted.data)
        words = [word for pair in pairs for word in ("--data", pair)]
        command = [str(Path(sys.executable).with_name("pyinfra")), str(inventory), "deploy.py", "-y", *words]
        starting = running(command, machine.folder / "deploy.log", {"PYINFRA_PROGRESS": "off"}, ROOT)
        job = yield from until_done(starting, "playbook", Patience(what="the playbook", seconds=APPLY_WITHIN))
        if job.status():
            raise Unfit(f"the playbook failed: {job.last()}")

    def _checked(self, machine: Machine) -> Iterator[str]:
        command = checking.command(machine, gpu=self._wanted.gpu)
        starting = running(command, machine.folder / "checks.log", folder=ROOT)
        job = yield from until_done(starting, "checks", Patience(what="the host tests", seconds=CHECK_WITHIN))
        if failed := checking.failures(job.status() or 0, job.lines()):
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            raise Unfit(f"a host test fails: {failed[0]}{more}")

    def finish(self, box: Box, attempt: Attempt) -> Iterator[str]:
        """Agree on the lease with the box, and bring the folder there. A failure is told, the box stays."""
        machine = Machine(name=box.name, folder=attempt.folder)
        self.handed.append(handed.summary(box, attempt, self._wanted.variant, machine, self._key))
        yield "the lease"
        lease = box.lease
        try:
            until = f"{lease.until:%Y-%m-%dT%H:%MZ}" if lease and lease.until else ""
            words = ("--until", until, "--on-end", self._wanted.on_end, "--idle", str(self._wanted.idle))
            machine.answer("visomaster-lease", *words)
        except VastError as error:
            self._say(f"{error}: nobody but you ends this box: make end BOX={box.id}")
        if self._wanted.folder.is_dir():
            yield f"bringing {self._wanted.folder.name}/"
            try:
                brought = sync.bring(machine, self._wanted.folder, self._say)
                self._say(f"{box.name}: {brought.carried} files of {self._wanted.folder.name}/ brought there")
            except (sync.SyncError, OSError) as error:
                self._say(f"{error}; again with: make sync BOX={box.id}")


def write_inventory(box: Box, machine: Machine, key: Key) -> Path:
    """An inventory of pyinfra that has `box` alone, with the host key that `machine` goes by. Raises `OSError`."""
    reach = {"ssh_key": str(key.path), "ssh_known_hosts_file": str(machine.folder / "known_hosts")}
    path = machine.folder / "inventory.py"
    path.write_text(f"hosts = [({box.name!r}, { ({**box.host_data(), **reach})!r})]\n", encoding="utf-8")
    return path
