"""The processes of a host, and who descends from whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process."""

    parent: int
    user: str
    command: str


def processes_of(host: Any) -> dict[int, Process]:
    """Every process by its number."""
    lines = [
        line.split(None, 3) for line in host.check_output("ps -eo pid,ppid,user:20,args --no-headers").splitlines()
    ]
    return {int(pid): Process(parent=int(parent), user=user, command=command) for pid, parent, user, command in lines}


def family(processes: Mapping[int, Process], ancestors: Iterable[int]) -> set[int]:
    """Those of `ancestors` that are there, and all that descends from them."""
    found = {pid for pid in ancestors if pid in processes}
    while more := {pid for pid, process in processes.items() if process.parent in found} - found:
        found |= more
    return found
