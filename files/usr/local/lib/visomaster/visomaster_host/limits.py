"""How many threads the application's numeric libraries may start.

They start one per visible core and per library. A rented box shows all cores of its machine (384 were seen
with 46 granted) while its limit of processes is low: the pools then fail with "can't start new thread".
"""

from __future__ import annotations

import os
from pathlib import Path

from visomaster_host import paths

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")

_PIDS_PER_THREAD = 32
"""Room for the pools of several libraries and for everything else on the host."""


def variables() -> dict[str, str]:
    """The variables that cap the pools here; empty when the host has room for one thread per core."""
    cap = thread_cap(visible=os.cpu_count() or 1, granted=_granted_cores(), pids_max=_pids_max())
    return {} if cap is None else {name: str(cap) for name in VARIABLES}


def thread_cap(*, visible: int, granted: int, pids_max: int | None) -> int | None:
    """Threads per pool, or None for no cap. `pids_max` is the cgroup's limit, None when there is none."""
    if pids_max is None or pids_max >= visible * _PIDS_PER_THREAD:
        return None
    return max(1, min(granted, pids_max // _PIDS_PER_THREAD))


def _granted_cores() -> int:
    cores = len(os.sched_getaffinity(0))
    quota = _words(paths.GROUPS / "cpu.max")
    if quota is None or not quota[0].isdigit():
        return cores
    microseconds, period = (int(word) for word in quota)
    return max(1, min(cores, -(-microseconds // period)))


def _pids_max() -> int | None:
    for path in (paths.GROUPS / "pids.max", paths.GROUPS / "pids" / "pids.max"):  # cgroup v2, v1
        words = _words(path)
        if words and words[0].isdigit():
            return int(words[0])
    return None


def _words(path: Path) -> list[str] | None:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return None
