"""Twenty thousand connections and two thousand slow bodies from one address, and the portal answers everybody else."""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox import tools
from sandbox.shell import REPOSITORY
from tests.portal import rig

WITHIN = 0.1
"""Seconds in which the portal answers."""
MOST_MEMORY = {"idle": 130_000_000, "finished": 280_000_000, "unfinished": 350_000_000}
"""Bytes that HAProxy and Caddy have together, at most; the pages, which see nothing of it, have 20 MB more. Connections
that have said something have a buffer each."""
ASKS, MOST_FAILURES, GIVEN_UP = 20, 3, 10.0
"""So often each page is asked for, unless it is not answered so often within so many seconds."""
LATE = {"idle": 1, "unfinished": 2, "finished": 5}
"""So many of the asks may be late: the crowd has the same two processors, and one kind begins anew all the time."""
SLOW, MANY = 2000, 20_000
HOLD = 4.0
"""Seconds that the crowd has stood there before it is looked at: two bytes of each slow body have come."""
WORKED_OFF = 30.0
"""Seconds until who shares the crowd's address, and waits with it for its turn, is answered as before."""
ELSEWHERE, SAME = "127.0.0.77", "127.0.0.1"


def crowd(port: int, kind: str, count: int) -> subprocess.Popen[str]:
    """A process that keeps `count` connections of `kind` open."""
    command = [sys.executable, "-m", "tests.drills.crowd", str(port), kind, str(count)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


@contextmanager
def flooded(port: int, kind: str) -> Iterator[list[subprocess.Popen[str]]]:
    """`MANY` connections of `kind`, in halves, and `SLOW` slow bodies, all tried once when this begins."""
    started: list[subprocess.Popen[str]] = []
    try:
        for part, count in ((kind, MANY // 2), (kind, MANY // 2), ("slow", SLOW)):
            started.append(crowd(port, part, count))
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline().endswith(" tried\n")
        yield started
    finally:
        for one in started:
            print("   ", (one.communicate("", timeout=30)[0] or "").strip())


@dataclass(kw_only=True)
class Memory:
    """The most that `roots` and their children ever had together, looked at every half second."""

    roots: list[int]
    most: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Until `over`."""
        while not self.over.wait(0.5):
            self.most = max(self.most, sum(resident(process) for root in self.roots for process in family(root)))


def family(process: int) -> list[int]:
    """`process` and everything it started."""
    found = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # it ended meanwhile
            continue
        found += [one for child in children for one in family(int(child))]
    return found


def resident(process: int) -> int:
    """Bytes of `process` in memory; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


@contextmanager
def watched(roots: list[int]) -> Iterator[Memory]:
    """The memory of `roots` while this lasts."""
    memory = Memory(roots=roots)
    thread = threading.Thread(target=memory.watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        memory.over.set()
        thread.join(5)


def asked(port: int, source: str, path: str) -> tuple[float, object]:
    """Seconds until `path` was answered to `source`, and the status; `GIVEN_UP` and the reason when it was not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVEN_UP, source_address=(source, 0))
    begin = time.monotonic()
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {rig.TOKEN}"})
        response = connection.getresponse()
        response.read()
        return time.monotonic() - begin, response.status
    except (OSError, http.client.HTTPException) as error:
        return max(GIVEN_UP, time.monotonic() - begin), repr(error)
    finally:
        connection.close()


def asked_often(port: int, source: str, path: str) -> list[tuple[float, object]]:
    """`ASKS` times `asked`; told as one line."""
    answers: list[tuple[float, object]] = []
    while len(answers) < ASKS and sum(seconds >= GIVEN_UP for seconds, _ in answers) < MOST_FAILURES:
        answers.append(asked(port, source, path))
    took = [1000 * seconds for seconds, _ in answers]
    told = ", ".join(sorted({str(status) for _, status in answers}))
    print(f"    {path} from {source}: median {statistics.median(took):.1f} ms, worst {max(took):.1f} ms, {told}")
    return answers


def worked_off(port: int) -> float:
    """Seconds until `SAME` was answered within `WITHIN`, at most `WORKED_OFF`."""
    begin = time.monotonic()
    while time.monotonic() - begin < WORKED_OFF and asked(port, SAME, "/health")[0] > WITHIN:
        time.sleep(0.1)
    return time.monotonic() - begin


@pytest.mark.parametrize("kind", ["idle", "unfinished", "finished"])
def test_a_flood_from_one_address(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """/health and the status of somebody who is logged in, each asked twenty times, from another address, at once, and
    from the same one when what came first is worked off: behind one address there may be a whole office, or the
    engine's own proxy. That the former never waits behind a crowd is asked in `tests/portal/test_crowd.py`."""
    tools.provide()
    with ExitStack() as stack:
        portal = stack.enter_context(rig.running(tmp_path, rig.wanted(token=rig.TOKEN)))
        memory = stack.enter_context(watched(list(portal.processes)))
        stack.enter_context(capsys.disabled())
        print(f"\n    {kind}")
        stack.enter_context(flooded(portal.port, kind))
        time.sleep(HOLD)
        paths = ("/health", "/status/status.json")
        found = {(ELSEWHERE, path): asked_often(portal.port, ELSEWHERE, path) for path in paths}
        print(f"    worked off after {worked_off(portal.port):.1f} s more")
        found |= {(SAME, path): asked_often(portal.port, SAME, path) for path in paths}
        print(f"    {memory.most / 1e6:.0f} MB")
    in_time = ASKS - LATE[kind]
    late = {asking: sorted(answers) for asking, answers in found.items() if sorted(answers)[in_time - 1][0] > WITHIN}
    refused = {asking for asking, answers in found.items() if {status for _, status in answers} != {200}}
    assert (late, refused) == ({}, set())
    assert memory.most < MOST_MEMORY[kind]
