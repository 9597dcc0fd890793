"""Measure every way in turn, over every line, again and again.

Rounds are interleaved, so that whatever else the machine does is equally unfair to everybody.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bench import page, processes
from bench.stage import WAYS, Link, Stage, Way

RATE = 30
"""Pictures a second that are painted."""
SETTLE = 2.0
"""Seconds that a server gets to find the rate that a line carries, and a still picture to become sharp."""
SCENES = {"1080p": (1920, 1080), "960x540": (960, 540)}
WATCHED, UNWATCHED = "still, watched", "still, nobody watches"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one page saw: pictures and Mbit a second, ages in milliseconds; of a still picture none of them.

    `cores` are those that the services used, without the programs they show; `others` went to what is no part of the
    bench; `load` is the machine's of the last minute.
    """

    round: int
    way: str
    link: str
    scene: str
    fps: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    mbit: float = 0.0
    cores: float
    others: float
    load: float

    @property
    def line(self) -> str:
        """What came out, in a line."""
        seen = f"{self.fps:5.1f} pictures/s, {self.p50:.0f}/{self.p95:.0f} ms, {self.mbit:.1f} Mbit/s, "
        figures = (seen if self.fps else "") + f"{self.cores:.2f} cores (others {self.others:.2f})"
        return f"round {self.round}  {self.link:17} {self.scene:21} {self.way:9}  {figures}"


@dataclass(frozen=True, kw_only=True)
class Meter:
    """The counters at one moment."""

    at: float
    services: float
    bench: float
    machine: float
    carried: int


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """The measurements; `seconds` each, of `scenes`; `say` is told what came out."""

    stage: Stage
    links: Sequence[Link]
    seconds: float
    scenes: Sequence[str]
    say: Callable[[str], None]
    trouble: list[str] = field(default_factory=list)
    """What could not be measured, in words."""

    def all(self, rounds: int) -> list[Sample]:
        """Measure everything so often. Another way begins in each round: nobody always comes first."""
        found = []
        for number in range(rounds):
            ways = [*WAYS[number % len(WAYS) :], *WAYS[: number % len(WAYS)]]
            for sample in self._round(number + 1, ways):
                self.say(sample.line)
                found.append(sample)
        return found

    def _round(self, number: int, ways: Sequence[Way]) -> Iterator[Sample]:
        for way in WAYS[1:]:  # the first one's host is the second one's
            before = self._meter(way, self.links[0])
            time.sleep(self.seconds)
            yield self._sample(number, way, self.links[0], UNWATCHED, before)
        for link in self.links:
            for way in ways:
                try:
                    yield from self._visit(number, way, link)
                except page.NothingSeenError as error:
                    self.trouble.append(f"round {number}, {link.name}, {way.name}: {error}")
                    self.say(self.trouble[-1])

    def _visit(self, number: int, way: Way, link: Link) -> Iterator[Sample]:
        """Look at all scenes with one page."""
        box = self.stage.boxes[way.screen]
        with box.free(), page.desktop(self.stage.browser, self.stage.address(way, link)) as desktop:
            for scene in self.scenes:
                size = SCENES[scene]
                box.show(*size, RATE)
                desktop.look_at(*size)
                desktop.await_picture()
                desktop.wait(SETTLE)
                desktop.seen()
                before = self._meter(way, link)
                desktop.wait(self.seconds)
                yield self._sample(number, way, link, scene, before, desktop.seen())
            box.hide()
            if link == self.links[0]:
                desktop.wait(SETTLE)
                before = self._meter(way, link)
                desktop.wait(self.seconds)
                yield self._sample(number, way, link, WATCHED, before)

    def _meter(self, way: Way, link: Link) -> Meter:
        costs = {screen: box.cost() for screen, box in self.stage.boxes.items()}
        known = processes.read()
        own = processes.seconds(known, processes.family(known, [os.getpid()]))
        return Meter(
            at=time.monotonic(),
            services=costs[way.screen].services,
            bench=own + sum(cost.all for cost in costs.values()),
            machine=processes.machine_seconds(),
            carried=self.stage.carried(way, link),
        )

    def _sample(
        self, number: int, way: Way, link: Link, scene: str, before: Meter, seen: Sequence[page.Sight] = ()
    ) -> Sample:
        after = self._meter(way, link)
        passed = after.at - before.at
        ages = [sight.age for sight in seen]
        return Sample(
            round=number,
            way=way.name,
            link=link.name,
            scene=scene,
            fps=len(ages) / passed,
            p50=statistics.median(ages) if ages else 0.0,
            p95=statistics.quantiles(ages, n=20, method="inclusive")[-1] if len(ages) > 1 else 0.0,
            mbit=(after.carried - before.carried) * 8 / passed / 1e6,
            cores=(after.services - before.services) / passed,
            others=(after.machine - before.machine - after.bench + before.bench) / passed,
            load=os.getloadavg()[0],
        )
