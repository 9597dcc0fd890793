"""How long the stages of an apply took, by when the lines of pyinfra's output came."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

CONNECT, COMMIT = "connect and ask", "the end; of a bake, docker commit"
STAGES = {
    CONNECT: "",
    "apt, what comes first": "Beside | Install what comes first",
    "what runs beside": "Beside",
    "apt": "System",
    "Conda": "Environment | Install Conda environment",
    "packages": "Environment",
    "desktop": "Desktop",
    "Selkies": "Access | Install Selkies",
    "access": "Access",
    "program": "Application",
    "our programs": "Programs",
    "models": "Models",
    "services": "Services",
    "start": "Start",
    COMMIT: "",
}
"""Stage -> how its operations are called, short of what follows; the first one that fits."""

_BEGINS = re.compile(r"^--> Starting operation: (.+?)\s*$")
_ENDS = re.compile(r"^--> (?:Results|Disconnecting)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def stage_of(operation: str) -> str:
    """The stage that an operation ("Layer | what it does") belongs to: its layer for one that is not known."""
    layer = operation.partition(" | ")[0]
    return next((stage for stage, begins in STAGES.items() if begins and operation.startswith(begins)), layer)


def stages(lines: Iterable[tuple[float, str]], end: float) -> Mapping[str, float]:
    """Seconds that each stage took, of lines with the second they came at (0: the run began) and of the run's `end`.

    An operation lasts until the next one begins, the last one until pyinfra disconnects; what follows is the commit.
    Operations that run beside one another count for the one that is waited for.
    """
    found: dict[str, float] = {}
    stage, since = CONNECT, 0.0
    for at, line in lines:
        plain = _COLOUR.sub("", line)
        begins = _BEGINS.match(plain)
        if begins or _ENDS.match(plain):
            found[stage] = found.get(stage, 0.0) + at - since
            stage, since = stage_of(begins[1]) if begins else COMMIT, at
    found[stage] = found.get(stage, 0.0) + end - since
    return found
