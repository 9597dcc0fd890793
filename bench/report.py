"""The bench's pages of results, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.rounds import RATE, UNWATCHED, WATCHED, Sample
from bench.stage import LINKS, WAYS, Link, Way
from bench.storm import TROUBLES, Outcome

FIGURES = {"fps": ".1f", "p50": ".0f", "p95": ".0f", "mbit": ".1f", "cores": ".2f"}
UNITS = {"fps": "pictures/s", "p50": "age p50, ms", "p95": "age p95, ms", "mbit": "Mbit/s", "cores": "cores"}
MOVING = ("line", "picture", "way", *UNITS.values())
STILL = ("picture", "way", "cores")
LONGEST_GAP = 0.5
"""Seconds without a new picture that a bad visitor may cost a good one."""
Row = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A `bound` of the median of one figure: at `least`, or at most. With `beside` it is of the ratio to that way's."""

    way: Way
    link: Link
    scene: str
    figure: str
    bound: float
    least: bool = False
    beside: Way | None = None

    @property
    def title(self) -> str:
        """What is wanted, in words."""
        ways = self.way.name if self.beside is None else f"{self.way.name} / {self.beside.name}"
        return f"{ways}, {self.scene}, {self.link.name}: {UNITS[self.figure]}"

    def found(self, samples: Sequence[Sample]) -> float | None:
        """What was measured, None when it was not."""
        medians: list[float] = []
        for way in (self.way, self.beside or self.way):
            key = (way.name, self.link.name, self.scene)
            own = [getattr(one, self.figure) for one in samples if (one.way, one.link, one.scene) == key]
            if not own:
                return None
            medians.append(statistics.median(own))
        return medians[0] if self.beside is None else medians[0] / medians[1]


_SELKIES, _TIGERVNC, _X11VNC = WAYS
_FAST, _MIDDLE, _SLOW = LINKS
GOALS = (
    Goal(way=_SELKIES, link=_SLOW, scene="1080p", figure="fps", bound=28, least=True),
    Goal(way=_SELKIES, link=_SLOW, scene="1080p", figure="mbit", bound=7),
    Goal(way=_SELKIES, link=_SLOW, scene="1080p", figure="p50", bound=130),
    Goal(way=_TIGERVNC, beside=_X11VNC, link=_MIDDLE, scene="960x540", figure="fps", bound=2, least=True),
    Goal(way=_SELKIES, link=_FAST, scene=WATCHED, figure="cores", bound=0.3),
    Goal(way=_TIGERVNC, link=_FAST, scene=WATCHED, figure="cores", bound=0.3),
    Goal(way=_TIGERVNC, link=_FAST, scene=UNWATCHED, figure="cores", bound=0.02),
)


def table(names: Row, rows: Sequence[Row]) -> str:
    """A table."""
    lines = [" | ".join(names), " | ".join(["---"] * len(names)), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def figure(samples: Sequence[Sample], name: str) -> str:
    """The median of a figure, the least and the most in brackets."""
    values, form = [getattr(sample, name) for sample in samples], FIGURES[name]
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def rounds(heading: Sequence[str], samples: Sequence[Sample], trouble: Sequence[str] = ()) -> str:
    """The page of measurements: how they were made, what was wanted, and the tables; `trouble`: what has none."""
    others, loads = (sorted(getattr(sample, name) for sample in samples) for name in ("others", "load"))
    return "\n".join(
        [
            *heading,
            f"- Load {loads[0]:.1f} to {loads[-1]:.1f}, the bench's own included; what is no part of it used"
            f" {statistics.median(others):.2f} cores (median; {others[0]:.2f} to {others[-1]:.2f}).",
            f"- Medians of {max(sample.round for sample in samples)} interleaved rounds, the least and the most in"
            f" brackets. {RATE} pictures a second are painted in a desktop of 1920x1080.",
            "- Age: from painting until the page shows it whole, read at every frame of a headless Chromium on the same"
            " machine. Mbit/s: what came to the browser. Cores: all services without the programs they show.",
            "- Lines: made by `bench/delay.py`, one bottleneck for all connections with 100 ms of queue.",
            *(f"- **Not measured**: {words}" for words in trouble),
            "\n## Goals\n",
            table(("goal", "found", "met"), goals(samples)),
            "\n## A moving picture\n",
            table(MOVING, moving(samples)),
            "\n## A still one, on the fast line\n",
            table(STILL, still(samples)),
            "",
        ]
    )


def moving(samples: Sequence[Sample]) -> list[Row]:
    """One row for each line, picture and way."""
    rows: list[Row] = []
    for link, scene in dict.fromkeys((sample.link, sample.scene) for sample in samples if sample.fps):
        for way in WAYS:
            own = [one for one in samples if (one.link, one.scene, one.way) == (link, scene, way.name)]
            rows.append([link, scene, way.name, *(figure(own, name) for name in FIGURES)])
    return rows


def still(samples: Sequence[Sample]) -> list[Row]:
    """One row for each way."""
    rows: list[Row] = []
    for scene in (WATCHED, UNWATCHED):
        own = [sample for sample in samples if sample.scene == scene]
        for way in dict.fromkeys(sample.way for sample in own):
            name = way if scene == WATCHED or way != WAYS[1].name else f"{WAYS[0].name} and {way}"
            rows.append([scene, name, figure([sample for sample in own if sample.way == way], "cores")])
    return rows


def goals(samples: Sequence[Sample]) -> list[Row]:
    """What was wanted beside what was found; what was not measured is left out."""
    rows: list[Row] = []
    for goal in GOALS:
        found = goal.found(samples)
        if found is not None:
            met = found >= goal.bound if goal.least else found <= goal.bound
            wanted = f"{goal.title} {'≥' if goal.least else '≤'} {goal.bound:g}"
            rows.append([wanted, f"{found:.2f}", "yes" if met else "**no**"])
    return rows


def storm(heading: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    """The page of the bad visitors: a row for each kind, a column for each way."""
    ways = list(dict.fromkeys(one.way for one in outcomes))
    found = {(one.way, one.trouble): one for one in outcomes}
    rows = [[title, *(_outcome(found[way, name]) for way in ways)] for name, title in TROUBLES.items()]
    return "\n".join(
        [
            *heading,
            f"- A good visitor watches 960x540 with {RATE} pictures/s, logged in, while others, logged in as well, open"
            " the desktop's websocket and misbehave. Pictures/s that the page of the good one showed, and the longest"
            f" wait for a new one; more than {LONGEST_GAP} s is bold. In brackets: how many bad ones came.\n",
            table(("the others", *ways), rows),
            "",
        ]
    )


def _outcome(one: Outcome) -> str:
    gap = f"{one.gap:.2f} s"
    return f"{one.fps:.1f}, {f'**{gap}**' if one.gap > LONGEST_GAP else gap} ({one.came})"
