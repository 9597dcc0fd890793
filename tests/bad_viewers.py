"""What viewers do who spoil it for others, each for as long as `Storm.going`: on the way that a good one has, too."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from tests.viewers import Line, Rectangle, Viewer

ABRUPTLY = struct.pack("ii", 1, 0)
"""SO_LINGER: a reset, as the kernel does for a killed program."""
ABORTS = 20


class Way(Protocol):
    """How viewers come to a screen."""

    name: str
    password: str | None

    def line(self) -> Line:
        """A new connection, on which nothing was said. Raises OSError."""


Trouble = Callable[[Way, "Storm"], object]


@dataclass(kw_only=True)
class Storm:
    """All that happens on `ways` at one time, while each has a good viewer of `part` of the screen.

    `told` is what each bad viewer has told, by its name; `seen` is when each good one was shown something.
    """

    ways: Sequence[Way]
    part: Rectangle
    over: threading.Event = field(default_factory=threading.Event)
    told: dict[str, object] = field(default_factory=dict)
    seen: dict[str, list[float]] = field(default_factory=dict)
    inside: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released by everybody who has logged in."""
    threads: list[threading.Thread] = field(default_factory=list)

    def going(self) -> bool:
        """Whether it goes on."""
        return not self.over.is_set()

    def log_in(self, way: Way) -> Viewer:
        """Somebody who has logged in. Raises `EOFError`, OSError."""
        viewer = Viewer(way.line(), way.password)
        self.inside.release()
        return viewer

    def begin(self, troubles: Sequence[Trouble]) -> None:
        """All `troubles` on all ways, from now on."""
        for way in self.ways:
            for trouble in troubles:
                self._run(partial(self._tell, way, trouble))

    def watch(self) -> None:
        """A good viewer on each way, from now on."""
        for way in self.ways:
            self._run(partial(self._watch, way))

    def expect_inside(self, count: int) -> None:
        """Wait until so many more on each way have logged in."""
        for _ in range(count * len(self.ways)):
            assert self.inside.acquire(timeout=20), self.told

    def end(self) -> None:
        """Everybody goes."""
        self.over.set()
        for thread in self.threads:
            thread.join(30)

    def _run(self, job: Callable[[], None]) -> None:
        self.threads.append(threading.Thread(target=job, daemon=True))
        self.threads[-1].start()

    def _watch(self, way: Way) -> None:
        viewer = self.log_in(way)
        self.seen[way.name] = seen = []
        try:
            viewer.watch(self.part, self.going, seen)
        finally:
            viewer.line.connection.close()
            seen.append(time.monotonic())

    def _tell(self, way: Way, trouble: Trouble) -> None:
        name = f"{way.name}: {trouble.__name__}"
        try:
            self.told[name] = trouble(way, self)
        except (OSError, EOFError, AssertionError) as error:
            self.told[name] = f"refused: {error!r}"


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
            with suppress(OSError, EOFError, AssertionError):  # locked out by now
                viewer = Viewer(line, way.password)
                viewer.request((0, 0, viewer.width, viewer.height), incremental=False)
        line.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
        line.connection.close()
        storm.over.wait(0.05)
    return "done"


def mute_after_login(way: Way, storm: Storm) -> str:
    """Logs in and says nothing more."""
    return _stay(storm.log_in(way).line, storm)


def half_a_message(way: Way, storm: Storm) -> str:
    """Logs in; announces a megabyte of clipboard, and sends three letters."""
    viewer = storm.log_in(way)
    viewer.line.send(struct.pack(">BxxxI", 6, 1_000_000) + b"abc")
    return _stay(viewer.line, storm)


def asks_and_never_reads(way: Way, storm: Storm) -> str:
    """Asks for the whole screen as it is, again and again."""
    viewer = storm.log_in(way)
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
    viewer = storm.log_in(way)
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
def blowing(ways: Sequence[Way], part: Rectangle) -> Iterator[Storm]:
    """Good viewers, then those who log in to make trouble, one of each on every way. Strangers are still to begin."""
    storm = Storm(ways=ways, part=part)
    storm.watch()
    try:
        storm.expect_inside(1)
        storm.begin(AFTER_LOGIN)
        storm.expect_inside(len(AFTER_LOGIN))
        yield storm
    finally:
        storm.end()
