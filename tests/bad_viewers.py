"""What viewers do who spoil it for others, each for as long as `Storm.going`: on the way that a good one has, too."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from tests.viewers import Line, Viewer

ABRUPTLY = struct.pack("ii", 1, 0)
"""SO_LINGER: a reset, as the kernel does for a killed program."""
ABORTS = 20


class Way(Protocol):
    """How viewers come to a screen."""

    name: str
    password: str | None

    def line(self) -> Line:
        """A new connection, on which nothing was said. Raises OSError."""


@dataclass(kw_only=True)
class Storm:
    """All that happens at one time: what each bad viewer has told, by its name, and when the good ones saw what."""

    over: threading.Event = field(default_factory=threading.Event)
    told: dict[str, object] = field(default_factory=dict)
    seen: dict[str, list[float]] = field(default_factory=dict)

    def going(self) -> bool:
        """Whether it goes on."""
        return not self.over.is_set()


Trouble = Callable[[Way, Storm], object]


def mute(way: Way, storm: Storm) -> str:
    """Connects and says nothing."""
    return _stay(way.line(), storm)


def half_a_version(way: Way, storm: Storm) -> str:
    """Four bytes of twelve."""
    line = way.line()
    line.send(b"RFB ")
    return _stay(line, storm)


def aborts(way: Way, storm: Storm) -> str:
    """Twenty connections that are reset, some before anything, some in the login, some in a picture."""
    for number in range(ABORTS):
        line = way.line()
        if number % 4 == 1:
            line.read(12)
            line.send(b"RFB 003.008\n\x02")
        if number % 4 == 2:
            with suppress(OSError, EOFError, PermissionError):
                viewer = Viewer(line, way.password)
                viewer.request((0, 0, viewer.width, viewer.height), incremental=False)
        line.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
        line.connection.close()
        storm.over.wait(0.05)
    return "done"


def mute_after_login(way: Way, storm: Storm) -> str:
    """Logs in and says nothing more."""
    return _stay(Viewer(way.line(), way.password).line, storm)


def half_a_message(way: Way, storm: Storm) -> str:
    """Logs in; announces a megabyte of clipboard, and sends three letters."""
    viewer = Viewer(way.line(), way.password)
    viewer.line.send(struct.pack(">BxxxI", 6, 1_000_000) + b"abc")
    return _stay(viewer.line, storm)


def asks_and_never_reads(way: Way, storm: Storm) -> str:
    """Asks for the whole screen as it is, again and again."""
    viewer = Viewer(way.line(), way.password)
    while storm.going():
        try:
            viewer.request((0, 0, viewer.width, viewer.height), incremental=False)
        except OSError:
            return "let go"
        storm.over.wait(0.5)
    viewer.line.connection.close()
    return "stayed"


def frozen(way: Way, storm: Storm, seconds: float = 60) -> str:
    """A machine that was put to sleep in a picture, for a minute; whether it is shown one afterwards."""
    viewer = Viewer(way.line(), way.password)
    viewer.request((0, 0, viewer.width, viewer.height), incremental=False)
    storm.over.wait(seconds)
    begin = time.monotonic()
    try:
        viewer.update(10)
        return f"a picture {time.monotonic() - begin:.2f} s after"
    except (OSError, EOFError):
        return "let go"
    finally:
        viewer.line.connection.close()


def _stay(line: Line, storm: Storm) -> str:
    storm.over.wait()
    line.connection.close()
    return "stayed"


BEFORE_LOGIN: tuple[Trouble, ...] = (mute, half_a_version, aborts)
AFTER_LOGIN: tuple[Trouble, ...] = (mute_after_login, half_a_message, asks_and_never_reads, frozen)


@contextmanager
def blowing(ways: list[Way], part: tuple[int, int, int, int], troubles: tuple[Trouble, ...]) -> Iterator[Storm]:
    """A good viewer on each of `ways`, who watches `part` of the screen, and a second later all `troubles` there."""
    storm = Storm()
    with ExitStack() as stack:
        threads: list[threading.Thread] = []

        def begin(job: Callable[[], None]) -> None:
            threads.append(threading.Thread(target=job, daemon=True))
            threads[-1].start()

        def end() -> None:
            storm.over.set()
            for thread in threads:
                thread.join(30)

        stack.callback(end)
        for way in ways:
            begin(lambda way=way: _watch(way, storm, part))  # type: ignore[misc]
        storm.over.wait(1)
        for way in ways:
            for trouble in troubles:
                begin(lambda way=way, trouble=trouble: _tell(way, trouble, storm))  # type: ignore[misc]
        yield storm


def _watch(way: Way, storm: Storm, part: tuple[int, int, int, int]) -> None:
    viewer = Viewer(way.line(), way.password)
    storm.seen[way.name] = seen = []
    try:
        viewer.watch(part, storm.going, seen)
    finally:
        viewer.line.connection.close()
        seen.append(time.monotonic())


def _tell(way: Way, trouble: Trouble, storm: Storm) -> None:
    name = f"{way.name}: {trouble.__name__}"
    try:
        storm.told[name] = trouble(way, storm)
    except (OSError, EOFError) as error:
        storm.told[name] = f"refused: {error!r}"
