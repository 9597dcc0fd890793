"""Which connection fetches which bytes next. Bookkeeping under one lock: no threads, no network, no clock of its own.

A connection goes on with its file as long as it can; else it begins the largest file nobody works on; else it joins
the one with most bytes left per connection. So files arrive in order (and are hashed from memory) while there are
enough of them, and all connections end together. One in four begins the smallest file instead: it waits for answers
more than for bytes, and does so while the others keep the line busy. A connection asks for as much as it brings in
about RUN_SECONDS, less as the end comes near. A file whose size is unknown, or whose server serves no ranges, has one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from visomaster_host.fetch.part import UNIT, Part
from visomaster_host.fetch.progress import Entry
from visomaster_host.fetch.transfer import Transient

RUN_SECONDS = 2.0  # how long one request should take
RUN_LEAST = 0.25  # seconds; at the end, shorter ones would lose more by waiting for answers than they gain
RUN_FIRST = 32 * 1024 * 1024  # what a connection of unknown speed asks for
RUN_MOST = 256 * 1024 * 1024
PROGRESS = 64 * 1024  # a try that brought this much does not count as a failed one
ASSUMED = 64 * 1024 * 1024  # size of a file nobody has told the size of, for the order only


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How hard to try. Times in seconds.

    `tries`: failed tries in a row, without progress, before a file is given up. `rounds`: whole downloads that may turn
    out wrong. `stall`: how long a connection may bring nothing. `connections`/`first`: at most, and to begin with.
    """

    connections: int = 64
    first: int = 4
    tries: int = 8
    rounds: int = 3
    backoff: float = 0.5
    backoff_most: float = 30.0
    retry_after_most: float = 300.0
    connect: float = 10.0
    stall: float = 20.0

    def delay(self, failures: int) -> float:
        """How long to wait after this many failures: exponential, with jitter so that many do not return at once."""
        return min(self.backoff_most, self.backoff * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)  # noqa: S311


@dataclass(eq=False)
class Job:
    """One file being fetched."""

    entry: Entry
    url: str
    part: Part | None = None
    resolved: str | None = None  # where the redirects ended, until that fails
    asking: bool = False  # for its size: it begins when that is known, or cannot be
    ranges: bool | None = None  # the server honours Range; None: nobody has asked yet
    shared: bool = True  # several connections may work on it
    active: int = 0
    taken: set[int] = field(default_factory=set)
    not_before: float = 0.0
    failures: int = 0
    failed_at: float = -1.0
    received_then: int = 0
    rounds: int = 1
    broken: str | None = None  # why everything received so far is worthless
    over: bool = False

    @property
    def opened(self) -> Part:
        """Its part, which is open while connections work on it."""
        if self.part is None:
            raise RuntimeError(f"{self.entry.file.path}: nothing is open")
        return self.part

    @property
    def host(self) -> str:
        """The host it is asked from."""
        return urlsplit(self.url).netloc

    @property
    def size(self) -> int | None:
        """Its size, as far as known."""
        return self.part.size if self.part else self.entry.size

    @property
    def left(self) -> int:
        """Bytes still to fetch (a guess while the size is unknown)."""
        size = ASSUMED if self.size is None else self.size
        return max(0, size - (self.part.received if self.part else self.entry.done))


@dataclass(eq=False)
class Claim:
    """Bytes `start` to `end` (exclusive; None: as far as the answer goes) of `job`, for one connection.

    `units` are reserved for it until it is released.
    """

    job: Job
    start: int
    end: int | None
    began: float
    units: range = range(0)

    def reserve(self, end: int) -> None:
        """Keep other connections off the units from the start to `end`."""
        self.units = range(self.start // UNIT, -(-end // UNIT))
        self.job.taken.update(self.units)


class Schedule:
    """The jobs and their claims. The caller holds one lock around every call."""

    def __init__(self, jobs: Sequence[Job], policy: Policy) -> None:
        self.jobs = list(jobs)
        self.policy = policy
        self.allowed = min(policy.first, policy.connections)
        self.busy = 0
        self.gates: dict[str, float] = {}

    @property
    def over(self) -> bool:
        """Every job is done or given up."""
        return all(job.over for job in self.jobs)

    def claim(
        self,
        now: float,
        prepare: Callable[[Job], bool],
        *,
        last: Job | None = None,
        speed: float = 0.0,
        small: bool = False,
    ) -> Claim | None:
        """The most useful bytes for one more connection, or None when there is nothing for it to do now.

        `prepare` opens a job's part, or gives the job up and returns False. `last` is the job the connection has just
        left, `speed` what it brought there (bytes per second; 0: unknown). `small`: it is one for small files.
        """
        if self.busy >= self.allowed:
            return None
        for job in self._by_use(now, last, small):
            if (job.part is not None or prepare(job)) and (bounds := self._bounds(job, speed)):
                self.busy += 1
                job.active += 1
                job.entry.status = "fetching"
                claim = Claim(job, *bounds, now)
                if claim.end is not None:
                    claim.reserve(claim.end)
                return claim
        return None

    def _by_use(self, now: float, last: Job | None, small: bool) -> list[Job]:
        def use(job: Job) -> tuple[bool, bool, float]:
            size = job.left if small and not job.active else -job.left / (job.active + 1)
            return job is not last, job.active > 0, size

        return sorted((job for job in self.jobs if self._open(job, now)), key=use)

    def wake_at(self, now: float) -> float | None:
        """When a job that waits for its time becomes ready; None when none does."""
        times = [max(job.not_before, self.gates.get(job.host, 0.0)) for job in self.jobs if not job.over]
        return min((time for time in times if time > now), default=None)

    def release(self, claim: Claim) -> None:
        """The connection has left `claim`."""
        self.busy -= 1
        claim.job.active -= 1
        claim.job.taken.difference_update(claim.units)

    def failed(self, claim: Claim, error: Transient, now: float) -> str | None:
        """A try failed: set the time of the next one; the reason when there have been too many."""
        job, policy = claim.job, self.policy
        job.resolved = None
        received = job.part.received if job.part else 0
        if received - job.received_then >= PROGRESS:
            job.failures = 0
        if claim.began >= job.failed_at:  # many connections that break together are one failure
            job.failures += 1
            job.failed_at, job.received_then = now, received
        if job.failures >= policy.tries:
            return f"{error} ({job.failures} tries)"
        wait = policy.delay(job.failures)
        if error.retry_after is not None:
            wait = max(wait, min(error.retry_after, policy.retry_after_most))
        job.not_before = max(job.not_before, now + wait)
        if error.busy:
            if now >= self.gates.get(job.host, 0.0):  # the first of those that were under way together
                self.allowed = max(1, self.allowed // 2)
            self.gates[job.host] = max(self.gates.get(job.host, 0.0), now + wait)
        return None

    def _open(self, job: Job, now: float) -> bool:
        if job.over or job.broken or job.asking or now < max(job.not_before, self.gates.get(job.host, 0.0)):
            return False
        return job.active == 0 or (job.shared and job.ranges is True and job.size is not None)

    def _bounds(self, job: Job, speed: float) -> tuple[int, int | None] | None:
        part = job.opened
        if part.size is None:
            return part.frontier(), None
        if part.complete:  # an empty file, or one killed just before it was proven: the claim only concludes it
            return None if job.active else (part.size, part.size)
        if job.shared and job.ranges is not False:
            return self._run(job, part, part.size, speed)
        part.keep_prefix()
        return part.frontier(), part.size

    def _run(self, job: Job, part: Part, size: int, speed: float) -> tuple[int, int] | None:
        units = len(part.done)
        first = next((u for u in range(units) if self._free(job, part, u)), None)
        if first is None:
            return None
        left = sum(other.left for other in self.jobs if not other.over)
        most = min(speed * RUN_SECONDS, RUN_MOST) if speed else RUN_FIRST
        most = max(1, int(max(speed * RUN_LEAST, min(most, left / (2 * self.allowed)))) // UNIT)
        last = first + 1
        if units - first < 2 * most:
            most = units - first  # a small rest is no request of its own
        while last < units and last - first < most and self._free(job, part, last) and not part.done[last]:
            last += 1
        return first * UNIT + part.done[first], min(last * UNIT, size)

    @staticmethod
    def _free(job: Job, part: Part, unit: int) -> bool:
        return unit not in job.taken and part.done[unit] < part.unit_length(unit)
