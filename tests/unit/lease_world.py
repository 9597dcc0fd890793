"""A rented machine without a machine: its time, what is at work on it, and Vast's books."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from visomaster_host.lease.api import Failed, Reply
from visomaster_host.lease.clock import Clock
from visomaster_host.lease.keeper import Keeper, State, World
from visomaster_host.lease.terms import Damaged, Terms

BEGAN = 1_795_000_000
"""When each test begins, in seconds since 1970."""
KEY = "the-own-key-of-instance-7"


@dataclass(kw_only=True)
class Books:
    """Vast, as far as one instance sees it: what it was asked, and what goes wrong, the next thing first."""

    time: Machine
    label_text: str = "visomaster alt until=2026-01-01T00:00Z by=me"
    calls: list[str] = field(default_factory=list)
    faults: list[Failed] = field(default_factory=list)
    refused_looks: Failed | None = None
    tells_time: bool = True

    def _answer(self, call: str) -> Reply:
        self.calls.append(call)
        if self.faults:
            raise self.faults.pop(0)
        return Reply(content={"success": True}, at=self._at())

    def _at(self) -> float:
        return self.time.true_time if self.tells_time else 0.0

    def look(self) -> Reply:
        if self.refused_looks is not None:
            self.refused_looks.at = self._at()
            raise self.refused_looks
        return Reply(content={"instances": {"label": self.label_text}}, at=self._at())

    def stop(self) -> Reply:
        return self._answer("stop")

    def destroy(self) -> Reply:
        return self._answer("destroy")

    def label(self, text: str) -> Reply:
        self.label_text = text
        return Reply(content={"success": True}, at=self._at())


@dataclass(kw_only=True)
class Machine:
    """A machine whose clock may be `off` by seconds, and `work` is what goes on there."""

    agreed: Terms
    passed: float = 0.0
    off: float = 0.0
    work: str = ""
    damaged: str = ""
    grace: float = 0.0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.books = Books(time=self)
        self.start()

    @property
    def true_time(self) -> float:
        return BEGAN + self.passed

    def start(self) -> None:
        """The service begins, as if it had not run before."""
        self.clock = Clock(wall=lambda: self.true_time + self.off, count=lambda: 1000 + self.passed)
        world = World(
            agreed=self._agreed,
            of_start=lambda: self.agreed,
            agree=self._agree,
            look=lambda count: self.work,
            grace=lambda clock, terms: self.grace,
            say=self.said.append,
        )
        self.keeper = Keeper(self.books, self.clock, world)

    def _agreed(self) -> Terms:
        if self.damaged:
            raise Damaged(self.damaged)
        return self.agreed

    def _agree(self, change: Any) -> Terms:
        self.agreed = change(self.agreed)
        return self.agreed

    def wait(self, seconds: float, tick: float = 1.0) -> State:
        """So much time passes."""
        until = self.passed + seconds
        state = self.keeper.step()
        while self.passed < until:
            self.passed += min(tick, until - self.passed)
            state = self.keeper.step()
        return state


def leased(seconds: int, **more: Any) -> Terms:
    """A lease that ends so long after the beginning; without an end for want of use."""
    return replace(Terms(until=BEGAN + seconds, given=BEGAN + seconds), **more)


@dataclass(kw_only=True)
class FakeVast:
    """Vast's API on loopback, for one instance: every request with its key, and what is answered next."""

    address: str = ""
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def fake_vast(date: str = "") -> Iterator[FakeVast]:
    """Such a server; it tells `date` as its time."""
    fake = FakeVast()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            fake.asked.append((self.command, self.path, self.headers.get("Authorization", ""), body))
            good = 200, {}, json.dumps({"success": True}).encode()
            status, headers, content = fake.answers.pop(0) if fake.answers else good
            self.send_response_only(status)
            for name, value in ({"Date": date} if date else {}).items() | headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.address = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield fake
        server.shutdown()
