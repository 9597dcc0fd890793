"""What the fake account remembers: every call, every box, every second that is billed."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.fake_vast.machines import Machine
from tests.fake_vast.shapes import HOURS_A_MONTH


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it came."""

    at: float
    method: str
    path: str
    body: Any


@dataclass(kw_only=True)
class Contract:
    """One box, from its creation on. `raw` is how the list describes it; `asked` the body it was created with."""

    id: int
    raw: dict[str, Any]
    asked: dict[str, Any]
    machine: Machine
    created: float
    fault: Any = None
    shown: float = 0.0
    runs_since: float | None = None
    ran: float = 0.0
    ends: float | None = None
    ended: float | None = None
    keys: list[str] = field(default_factory=list)
    api_key: str = field(default_factory=lambda: secrets.token_hex(32))

    def run(self, now: float) -> None:
        """Its GPU is billed from `now` on."""
        if self.runs_since is None:
            self.runs_since = now

    def rest(self, now: float) -> None:
        """Its GPU is billed no more."""
        if self.runs_since is not None:
            self.ran += now - self.runs_since
            self.runs_since = None

    def dollars(self, now: float) -> float:
        """What it has cost until `now`, or its end: GPU while it ran, storage all the time."""
        until = now if self.ended is None else self.ended
        ran = self.ran + (until - self.runs_since if self.runs_since is not None else 0.0)
        storage = self.raw["storage_cost"] * self.raw["disk_space"] / HOURS_A_MONTH
        return (ran * self.raw["dph_base"] + (until - self.created) * storage) / 3600


@dataclass
class Books:
    """All requests and all boxes there have ever been."""

    seen: list[Seen] = field(default_factory=list)
    contracts: dict[int, Contract] = field(default_factory=dict)

    def alive(self) -> list[int]:
        """The boxes that are billed."""
        return sorted(number for number, contract in self.contracts.items() if contract.ended is None)

    def nobody_unknown(self, known: Collection[int] = ()) -> None:
        """Fail when a box is alive that nobody knows of."""
        unknown = {n: self.contracts[n].raw["label"] for n in self.alive() if n not in known}
        assert not unknown, f"boxes live that nobody knows of: {unknown}"

    def calls(self, method: str, part: str = "") -> list[Seen]:
        """The requests with `method` whose path has `part`."""
        return [seen for seen in self.seen if seen.method == method and part in seen.path]

    def dollars(self, now: float) -> float:
        """What all boxes have cost until `now`."""
        return sum(contract.dollars(now) for contract in self.contracts.values())
