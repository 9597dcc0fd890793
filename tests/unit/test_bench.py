"""What the benches measure with: the line, the stamps, the costs, and what is said of the goals."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import pytest

from bench import delay, marker, processes, report, start, storm
from bench.rounds import UNWATCHED, Sample
from bench.stage import LINKS, WAYS

MEGABIT = 1e6
SELKIES, TIGERVNC, X11VNC = WAYS
FAST, MIDDLE, SLOW = LINKS


def over_a_line(back: delay.Line, sent: bytes) -> tuple[float, bytes]:
    """The seconds that a server's words take over a line, and what arrives."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    async def fetch() -> tuple[float, bytes]:
        there = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"127.0.0.1:{there.sockets[0].getsockname()[1]}"
        handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
        handler = delay.relay(address, delay.Line(delay=back.delay), back)
        here = await asyncio.start_server(handler, "127.0.0.1", 0)
        begun = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", here.sockets[0].getsockname()[1])
        arrived = await reader.read(-1)
        writer.close()
        return time.monotonic() - begun, arrived

    return asyncio.run(fetch())


def test_a_line_carries_so_much_a_second_and_not_more() -> None:
    line, sent = delay.Line(delay=0, rate=4 * MEGABIT), bytes(range(256)) * 400
    seconds, arrived = over_a_line(line, sent)
    assert arrived == sent and line.carried == len(sent)
    assert 0.2 <= seconds < 5


def test_a_round_trip_passes_before_a_line_answers() -> None:
    """One for the connection and one for the words."""
    seconds, arrived = over_a_line(delay.Line(delay=0.05), b"words")
    assert arrived == b"words" and 0.15 <= seconds < 5


def test_a_full_queue_holds_up_whoever_sends() -> None:
    """200 ms of words: they are there when they have passed, and the next are taken when 100 ms of them have."""

    async def queue() -> tuple[float, float]:
        begun = asyncio.get_running_loop().time()
        there = await delay.Line(delay=0, rate=8 * MEGABIT).arrival(200_000)
        return there - begun, asyncio.get_running_loop().time() - begun

    there, taken = asyncio.run(queue())
    assert there == pytest.approx(0.2, abs=0.01)
    assert there - delay.QUEUE - 0.01 <= taken < there + 1


@pytest.mark.parametrize("stamp", [0, 1, 0xABCDEF, 0xFFFFFF])
def test_a_stamp_is_read_back_and_a_torn_one_is_not(stamp: int) -> None:
    cells = marker.cells(stamp)
    assert marker.stamp_of(cells) == stamp
    assert marker.stamp_of([not cells[0], *cells[1:]]) is None


def test_a_family_is_all_that_descend() -> None:
    known = {1: (0, 1.0), 7: (1, 2.0), 9: (7, 4.0), 8: (0, 8.0)}
    assert processes.family(known, [7, 5]) == {7, 9}
    assert processes.seconds(known, {7, 9}) == 6.0


def test_the_benchs_own_cost_is_read() -> None:
    """At the kernel's resolution, of 10 ms as a rule."""
    before, until = processes.read()[os.getpid()][1], time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert 0.05 < processes.read()[os.getpid()][1] - before < 1


def sample(way: str, link: str, scene: str, **figures: float) -> Sample:
    shared = {"cores": 0.1, "others": 0.0, "load": 0.0}
    return Sample(round=1, way=way, link=link, scene=scene, **{**shared, **figures})


def test_a_goal_is_judged_by_the_median_and_left_out_unmeasured() -> None:
    samples = [sample(SELKIES.name, SLOW.name, "1080p", fps=fps, p50=131, mbit=7) for fps in (10, 28, 29)]
    samples.append(sample(X11VNC.name, MIDDLE.name, "960x540", fps=8.0))
    assert [(found, met) for _, found, met in report.goals(samples)] == [
        ("28.00", "yes"),
        ("7.00", "yes"),
        ("131.00", "**no**"),
    ]


def test_a_goal_beside_another_way_is_of_the_ratio() -> None:
    samples = [
        sample(TIGERVNC.name, MIDDLE.name, "960x540", fps=15.9),
        sample(X11VNC.name, MIDDLE.name, "960x540", fps=8),
    ]
    [(wanted, found, met)] = report.goals(samples)
    assert wanted == "Xtigervnc / x11vnc, 960x540, 20 Mbit/s, 50 ms: pictures/s ≥ 2"
    assert (found, met) == ("1.99", "**no**")


def test_the_page_of_results_has_every_way() -> None:
    samples = [sample(way.name, FAST.name, "1080p", fps=20) for way in WAYS]
    samples.append(sample(TIGERVNC.name, FAST.name, UNWATCHED))
    page = report.rounds(["# Title\n"], samples)
    assert page.count("| fast | 1080p |") == 3
    assert "| still, nobody watches | Selkies and Xtigervnc | 0.10 (0.10 to 0.10) |" in page


def test_a_wait_ends_with_the_watching() -> None:
    """A desktop that stands still until the end has waited that long."""
    found = storm.outcome(TIGERVNC, "mute", [10.0, 10.5, 11.0, 14.0], came=1)
    assert (found.gap, found.fps) == (3.0, 0.5)
    table = report.storm(["# Title\n"], [storm.outcome(TIGERVNC, trouble, [0, 1.0], came=1) for trouble in storm.KINDS])
    assert "| one says nothing | 0.0, **1.00 s** (1) |" in table


def test_bad_visitors_speak_the_websockets_protocol() -> None:
    """RFC 6455, 5.7: a client's message is masked; a mask of nothing leaves it as it is."""
    assert storm.frame(b"Hello", text=True) == b"\x81\x85\0\0\0\0Hello"
    assert storm.frame(b"", text=False) == b"\x82\x80\0\0\0\0"


def test_a_start_is_compared_with_the_one_beside_it() -> None:
    own = {"health": 0.50, "vnc": 0.6, "ready": 1.25}
    lines: dict[str, list[start.Times]] = {
        start.SHIPPED: [own],
        start.BARE: [own],
        start.BESIDE: [{"health": 0.40, "vnc": 0.6, "ready": 1.05}],
    }
    health, vnc, ready = start.table(lines).splitlines()[2:]
    assert health.endswith("| 1.00 | +0.10 | **no** |")
    assert vnc.endswith("| +0.00 | yes |") and ready.endswith("| +0.20 | yes |")
    assert "beside" not in start.table({start.SHIPPED: [own], start.BARE: [own]})
