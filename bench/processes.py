"""What processes have cost so far, see proc(5), on this machine and in a container; and what machine it is."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def read() -> dict[int, tuple[int, float]]:
    """Of every process its parent and the seconds of processor time that it has used."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                found[int(folder.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK
    return found


def family(known: Mapping[int, tuple[int, float]], heads: Iterable[int]) -> set[int]:
    """The processes `heads` and all that descend from them."""
    found = set(heads) & set(known)
    while more := {pid for pid, (parent, _) in known.items() if parent in found} - found:
        found |= more
    return found


def seconds(known: Mapping[int, tuple[int, float]], pids: Iterable[int]) -> float:
    """The processor time of these together."""
    return sum(known[pid][1] for pid in pids)


def machine_seconds() -> float:
    """The processor time that everything on this machine has used."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split(maxsplit=8)[1:8])
    return (user + nice + system + irq + softirq) / TICK


def machine() -> str:
    """Return one line about where this ran."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"
