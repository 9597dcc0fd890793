"""Fetches a set of files: connections in threads, retries, and the watch over them."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from visomaster_host.fetch.manifest import apply_mirrors
from visomaster_host.fetch.part import BUFFER, UNIT, Mismatch, Part
from visomaster_host.fetch.progress import Entry
from visomaster_host.fetch.schedule import Claim, Job, Policy, Schedule
from visomaster_host.fetch.store import Layout, Stopped, StoreError, Verified, prepare_folder
from visomaster_host.fetch.transfer import Body, Client, Permanent, RangeRefused, Transient
from visomaster_host.refusals import refusal

TICK = 0.25  # seconds between two looks of the watch
QUIET = 40  # ticks without any work and without anything to wait for, before that is called a defect
PROBES = 16  # sizes asked for at once, while files arrive
SMALL = 4  # one connection of so many is for small files
# All connections' buffers together: this program may use 100 MB, 35 of which Python and requests take.
BUFFERS = 16 * 1024 * 1024
SMALLEST_READ = 16 * 1024
READ_SECONDS = 0.1  # how long one read should take: what a killed fetch loses, and how often progress shows


class Engine:
    """One run over some files.

    `on_tick` is called every TICK seconds, `on_sizes` once, as soon as all sizes are known that can be: what it raises
    ends the run. Bytes arrive before that; `measured` tells whether it has been.
    """

    def __init__(
        self,
        layout: Layout,
        entries: Sequence[Entry],
        verified: Verified,
        client: Client,
        policy: Policy,
        *,
        mirrors: Mapping[str, str],
        say: Callable[[str], None],
        stop: Callable[[], bool],
        on_tick: Callable[[], None],
        on_sizes: Callable[[], None],
    ) -> None:
        self.layout, self.verified, self.client, self.policy = layout, verified, client, policy
        self.say, self.stop, self.on_tick, self.on_sizes = say, stop, on_tick, on_sizes
        jobs = [Job(entry, apply_mirrors(entry.file.url, mirrors)) for entry in entries]
        self.schedule = Schedule(jobs, policy)
        self.changed = threading.Condition()
        self.bodies: dict[Body, Claim] = {}
        self.ending: str | None = None
        self.measured = False
        self.arrived = 0  # bytes, in this run
        self.threads: list[threading.Thread] = []
        self.news: list[str] = []

    # -- sizes nobody has stated

    def learn_sizes(self) -> None:
        """Ask for them and wait until they have come; what cannot be learned stays unknown. Raises Stopped."""
        self._ask_sizes()
        with self.changed:
            while self._asking:
                self.changed.wait(TICK)
                if self.stop():
                    raise Stopped

    @property
    def _asking(self) -> bool:
        return any(job.asking for job in self.schedule.jobs)

    def _ask_sizes(self) -> None:
        """Begin to ask, once for each file and for many at once."""
        unknown = [job for job in self.schedule.jobs if job.entry.size is None]
        for job in unknown:
            job.asking = True

        def ask() -> None:
            while True:
                try:
                    job = unknown.pop()
                except IndexError:
                    return
                self._ask_size(job)

        for _ in range(min(PROBES, len(unknown))):
            threading.Thread(target=ask, daemon=True).start()

    def _ask_size(self, job: Job) -> None:
        # Whatever goes wrong, a defect included: the fetch itself will meet it again, try harder, and say why.
        with contextlib.suppress(Exception):
            if self.ending is None and not self.stop():
                with contextlib.closing(self.client.open(job.url, 0, 1)) as body:
                    job.entry.size, job.ranges, job.resolved = body.total, body.ranged, body.resolved
                    if body.ranged:
                        body.read(2)  # to its end, so that the connection can be used again
        with self.changed:
            job.asking = False
            self.changed.notify_all()

    # -- the watch (the caller's thread)

    def run(self) -> None:
        """Fetch everything; each entry ends done or failed. Raises Stopped, StoreError (disk full), OSError."""
        growth = _Growth(self.schedule)
        quiet = 0
        self._ask_sizes()
        try:
            while not self.schedule.over and self.ending is None and quiet < QUIET:
                self._measure()
                self._spawn()
                with self.changed:
                    self.changed.wait_for(self._called, TICK)
                    growth.look(time.monotonic(), self.arrived)
                    quiet = 0 if self._working else quiet + 1
                    self.changed.notify_all()
                self._tell()
                self._cut_stalled()
                self.on_tick()
                if self.stop():
                    raise Stopped
        finally:
            self._end()
        if self.ending:
            with self.changed:
                self.changed.wait_for(lambda: not self._asking, self.policy.stall)
            self._measure()  # says in numbers what is lacking
            raise StoreError(self.ending)
        if not self.schedule.over:
            raise StoreError("internal error: files are left, and no connection takes them")

    @property
    def _working(self) -> bool:
        """Whether a connection, a proof (a large file may take long), a question or a pause is under way."""
        jobs = self.schedule.jobs
        return any(job.active or job.asking for job in jobs) or self.schedule.wake_at(time.monotonic()) is not None

    def _called(self) -> bool:
        """Whether the watch has something to do before its next look."""
        return self.schedule.over or self.ending is not None or not (self.measured or self._asking)

    def _measure(self) -> None:
        if not self.measured and not self._asking:
            self.on_sizes()
            self.measured = True

    def _spawn(self) -> None:
        wanted = min(self.schedule.allowed, self.policy.connections)
        while len(self.threads) < wanted:
            small = len(self.threads) % SMALL == SMALL - 1
            self.threads.append(threading.Thread(target=self._work, args=(small,), daemon=True))
            self.threads[-1].start()

    def _tell(self) -> None:
        with self.changed:
            news, self.news = self.news, []
        for line in news:
            self.say(line)

    def _cut_stalled(self) -> None:
        now = time.monotonic()
        with self.changed:
            stalled = [body for body in self.bodies if now - body.last_read > self.policy.stall]
        for body in stalled:
            body.abort()

    def _end(self) -> None:
        """Stop the threads; what they have written stays for the next time."""
        with self.changed:
            self.ending = self.ending or ""
            bodies = list(self.bodies)
            self.changed.notify_all()
        for body in bodies:
            body.abort()
        deadline = time.monotonic() + 3.0
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self.threads):
            for job in self.schedule.jobs:
                if job.part is not None:
                    job.part.close()
        self._tell()

    # -- one connection (its own thread)

    def _work(self, small: bool) -> None:
        claim, speed = None, 0.0
        while (claim := self._next(claim, speed, small)) is not None:
            error: Exception | None = None
            try:
                speed = self._fetch(claim, speed)
            except (Transient, Permanent, Mismatch, OSError) as caught:
                error = caught
            except Exception as caught:  # a defect here must not look like a fetch that never ends
                error = Permanent(f"internal error: {caught!r}")
            if error is not None:
                speed = 0.0  # the line may be slow now: a large read would look like a stall
            self._leave(claim, error)

    def _next(self, last: Claim | None, speed: float, small: bool) -> Claim | None:
        with self.changed:
            while self.ending is None and not self.schedule.over:
                now = time.monotonic()
                left = last.job if last else None
                if claim := self.schedule.claim(now, self._prepare, last=left, speed=speed, small=small):
                    return claim
                wake = self.schedule.wake_at(now)
                self.changed.wait(min(1.0, wake - now) if wake else 1.0)
            return None

    def _prepare(self, job: Job) -> bool:
        target = self.layout.target(job.entry.file)
        try:
            with prepare_folder(self.layout.root(job.entry.file), target):
                job.part = Part(target, job.entry.file.sha256, job.entry.size)
            job.entry.done, job.entry.size = job.part.received, job.part.size
        except StoreError as error:
            self._give_up(job, str(error))
        except OSError as error:
            self._give_up(job, refusal(error) if error.filename else f"{target}: {refusal(error)}")
        return job.part is not None

    def _fetch(self, claim: Claim, speed: float) -> float:
        """Bring the claim's bytes; takes (from the connection's last claim, else 0) and returns bytes per second."""
        job, part = claim.job, claim.job.opened
        if claim.start == claim.end:
            return 0.0
        url = job.resolved or job.url
        try:
            body = self._open(job, url, claim)
        except Permanent as error:
            if url == job.url:
                raise
            # The place the redirects led to has expired (signed URLs do): ask the first one again.
            raise Transient(str(error)) from None
        with self.changed:
            self.bodies[body] = claim
        try:
            began = time.monotonic()
            return self._copy(claim, part, body, int(speed * READ_SECONDS)) / max(1e-3, time.monotonic() - began)
        finally:
            with self.changed:
                del self.bodies[body]
            body.close()

    def _open(self, job: Job, url: str, claim: Claim) -> Body:
        if job.ranges is False:
            return self.client.open(url, None)
        # Size unknown: ask for one unit only; the answer tells the size, and others can help with the rest.
        return self.client.open(url, claim.start, claim.start + UNIT if claim.end is None else claim.end)

    def _copy(self, claim: Claim, part: Part, body: Body, size: int) -> int:
        """Write the answer from the claim's start to its end, at first `size` bytes at once; returns the bytes read."""
        job = claim.job
        job.resolved = body.resolved or job.resolved
        end = self._agree(claim, part, body)
        position, wanted = body.start, 0
        most = min(BUFFER, BUFFERS // self.schedule.allowed)
        size = max(SMALLEST_READ, min(most, size))
        while end is None or position < end:
            began = time.monotonic()
            wanted = size if end is None else min(size, end - position)
            data = body.read(wanted)
            if not data:
                break
            useful = data[max(0, claim.start - position) :]
            position += len(data)
            if end is not None and position > end:
                raise Mismatch(f"more than {end} bytes arrive")
            if useful:
                part.write(position - len(useful), useful)
                job.entry.done = part.received
                with self.changed:
                    self.arrived += len(useful)
            if job.broken or job.over or self.ending is not None:
                return position - body.start
            took = time.monotonic() - began
            del data, useful  # two buffers for each connection otherwise
            most = min(BUFFER, BUFFERS // self.schedule.allowed)
            if took < READ_SECONDS:
                size = min(most, 2 * size)
            elif took > 10 * READ_SECONDS:
                size = max(SMALLEST_READ, size // 2)
        if end is None:
            part.set_size(position)
        elif position < end:
            raise Transient(f"the connection ended after {position} of {end} bytes")
        return position - body.start

    def _agree(self, claim: Claim, part: Part, body: Body) -> int | None:
        """Compare the answer with what is known of the file; where the claim now ends."""
        job = claim.job
        with self.changed:
            job.ranges = body.ranged
            if body.total is not None and part.size is None:
                part.set_size(body.total)
                job.entry.size = body.total
            if body.total is not None and body.total != part.size:
                raise Mismatch(f"the server has {body.total} bytes, expected {part.size}")
            if body.ranged and part.size is None:
                raise RangeRefused("the server does not say the file's size")
            if not body.ranged and job.active == 1:
                part.keep_prefix()  # the rest comes anyway, and must be hashed as it comes
                return part.size
            if claim.end is not None or part.size is None:
                return claim.end
            end = min(claim.start + UNIT, part.size)
            claim.reserve(end)
            return end

    # -- after a claim

    def _leave(self, claim: Claim, error: Exception | None) -> None:
        """Give the claim back and decide what becomes of its file."""
        job = claim.job
        with self.changed:
            self.schedule.release(claim)
            if error is not None and not job.over and self.ending is None:
                self._note(claim, error)
            last = job.active == 0 and not job.over and self.ending is None
            ready = last and job.part is not None and (job.part.complete or job.broken is not None)
            if ready:
                job.active += 1  # nobody else may touch it now
            if job.over and job.active == 0 and job.part is not None:
                job.part.close()
                job.part = None
            self.changed.notify_all()
        if ready:
            self._conclude(job)

    def _note(self, claim: Claim, error: Exception) -> None:
        job = claim.job
        if isinstance(error, Mismatch):
            job.broken = job.broken or str(error)
        elif isinstance(error, Transient):
            if isinstance(error, RangeRefused):
                job.ranges = False
            if reason := self.schedule.failed(claim, error, time.monotonic()):
                self._give_up(job, reason)
            else:
                self.news.append(f"{job.entry.file.path}: {error}; trying again")
        elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            self.ending = f"{self.layout.root(job.entry.file)}: {refusal(error)}"
            self._give_up(job, self.ending)
        else:
            self._give_up(job, refusal(error) if isinstance(error, OSError) else str(error))

    def _conclude(self, job: Job) -> None:
        """Everything has arrived, or is worthless: prove and publish, or start over, or give up."""
        part, entry = job.opened, job.entry
        status = None
        failure: Exception | None = None
        try:
            if job.broken:
                raise Mismatch(job.broken)
            entry.status = "verifying"
            part.prove()
            status = part.publish()
        except (Mismatch, OSError) as error:
            failure = error
        with self.changed:
            job.active -= 1
            if status is not None:
                self.verified.add(entry.file, status)
                entry.status, entry.done, entry.size = "done", status.st_size, status.st_size
                job.over = True
            elif isinstance(failure, OSError):
                self._give_up(job, refusal(failure))
            else:
                try:
                    self._start_over(job, part, str(failure))
                except OSError as error:
                    self._give_up(job, f"{self.layout.root(entry.file)}: {refusal(error)}")
            if job.over:
                part.close()
                job.part = None
            self.changed.notify_all()

    def _start_over(self, job: Job, part: Part, reason: str) -> None:
        if job.rounds >= self.policy.rounds:
            part.reset(None)
            self._give_up(job, f"{reason} ({job.rounds} downloads)")
            return
        job.rounds += 1
        # The next one in a single stream: a server that serves wrong ranges gets a second chance.
        job.shared, job.ranges, job.broken, job.resolved = False, None, None, None
        job.entry.size, job.entry.done, job.entry.status = job.entry.file.size, 0, "waiting"
        job.failures, job.received_then = 0, 0
        part.reset(job.entry.file.size)
        job.not_before = time.monotonic() + self.policy.delay(job.rounds)
        self.news.append(f"{job.entry.file.path}: {reason}; starting over")

    def _give_up(self, job: Job, reason: str) -> None:
        job.over = True
        job.entry.status, job.entry.error = "failed", reason
        self.news.append(f"{job.entry.file.path}: failed: {reason}")
        self.changed.notify_all()


class _Growth:
    """Adds connections for as long as they add speed: a line that is full with 16 gets no 32."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.since, self.processor, self.bytes = time.monotonic(), time.process_time(), 0
        self.best, self.allowed = 0.0, schedule.allowed

    def look(self, now: float, received: int) -> None:
        """Compare the speed since the last look with the best before; more connections when it was better.

        Not when this program keeps a processor busy: then the line is not what it waits for.
        """
        schedule, span = self.schedule, now - self.since
        if schedule.allowed < self.allowed:  # a server asked for fewer: what more of them bring is to be learned anew
            self.best, self.allowed = 0.0, schedule.allowed
        if span < 2 * TICK or schedule.busy < schedule.allowed:
            return
        speed, busy = (received - self.bytes) / span, (time.process_time() - self.processor) / span
        if speed > 1.2 * self.best and busy < 1.0:
            schedule.allowed = self.allowed = min(schedule.policy.connections, 2 * schedule.allowed)
            self.best = speed
        self.since, self.processor, self.bytes = now, time.process_time(), received
