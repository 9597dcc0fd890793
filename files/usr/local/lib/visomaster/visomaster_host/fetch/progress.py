"""What a fetch is doing: for a terminal, for a log, and for the portal.

The state file (`/run/visomaster/fetch.json`, replaced atomically about once a second, mode 0644) is a contract::

    {"schema": 1,
     "status": "running" | "done" | "failed",
     "bytes_done": 123, "bytes_total": 456 or null,     null until every size is known
     "rate": 1e6,                                        bytes per second over the last seconds
     "eta": 12.5 or null,                                seconds
     "files": [{"path": "model_assets/x.onnx", "group": "required",
                "status": "waiting" | "fetching" | "verifying" | "done" | "failed",
                "bytes_done": 123, "size": 456 or null, "error": null or "why"}, …],
     "progressed": 1700000000.0,                         when more bytes were on disk than ever before
     "updated": 1700000000.0}                            seconds since 1970

`bytes_done` and `bytes_total` count the files of this run, those found good at its start included. A reader that sees
"running" with `updated` older than 30 s may say that the fetch is gone. `progressed` is handed on from one try to the
next: one that only finds again what the last one had makes no progress. No URL query, user or password is in it.
"""

from __future__ import annotations

import collections
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from visomaster_host.fetch.manifest import ModelFile
from visomaster_host.fetch.store import write_atomic
from visomaster_host.fetch_state import read_state, seconds
from visomaster_host.refusals import refusal
from visomaster_host.text import brief, printable

WINDOW = 5.0  # seconds the rate is taken over
LOG_EVERY = 10.0  # seconds between two lines in a log
BARS = 6  # files shown at once on a terminal


@dataclass
class Entry:
    """One file of this run. `status` is one of waiting, fetching, verifying, done, failed."""

    file: ModelFile
    size: int | None
    status: str = "waiting"
    done: int = 0
    error: str | None = None

    def as_json(self) -> dict[str, object]:
        """The entry as the state file shows it."""
        return {
            "path": self.file.path,
            "group": self.file.group,
            "status": self.status,
            "bytes_done": self.done,
            "size": self.size,
            "error": None if self.error is None else brief(self.error),
        }


@dataclass
class Board:
    """All files of this run. Threads change the entries; one thread calls the methods."""

    entries: list[Entry]
    progressed: float = field(default_factory=time.time)
    _most: int = 0
    _samples: collections.deque[tuple[float, int]] = field(default_factory=collections.deque)

    @classmethod
    def of(cls, files: Sequence[ModelFile]) -> Board:
        """A board on which every file waits."""
        return cls([Entry(file, file.size) for file in files])

    @property
    def done(self) -> int:
        """Bytes on disk."""
        return sum(entry.done for entry in self.entries)

    @property
    def total(self) -> int | None:
        """Bytes when finished; None while a size is unknown."""
        sizes = [entry.size for entry in self.entries]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def failures(self) -> list[Entry]:
        """The files that failed."""
        return [entry for entry in self.entries if entry.status == "failed"]

    def sample(self, now: float | None = None) -> None:
        """Note the bytes done now (monotonic seconds), for the rate, and whether they are more than before."""
        now, done = time.monotonic() if now is None else now, self.done
        if done > self._most:
            self.progressed = time.time()
        if done > self._most or (self._samples and done < self._samples[-1][1]):  # less: a file is begun anew
            self._most = done
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take over what the last try has written of its progress, unless it was done."""
        if state.get("status") in ("running", "failed"):
            self._most = int(seconds(state, "bytes_done"))
            self.progressed = min(self.progressed, seconds(state, "progressed") or self.progressed)

    @property
    def rate(self) -> float:
        """Bytes per second over the last WINDOW seconds."""
        if len(self._samples) < 2:
            return 0.0
        (before, first), (now, last) = self._samples[0], self._samples[-1]
        return max(0.0, (last - first) / (now - before)) if now > before else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds until finished at this rate; None when that cannot be said."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    def as_json(self, status: str) -> dict[str, object]:
        """The whole state (see the module's docstring)."""
        eta = self.eta if status == "running" else None
        return {
            "schema": 1,
            "status": status,
            "bytes_done": self.done,
            "bytes_total": self.total,
            "rate": round(self.rate, 1) if status == "running" else 0.0,
            "eta": None if eta is None else round(eta, 1),
            "files": [entry.as_json() for entry in self.entries],
            "progressed": round(self.progressed, 3),
            "updated": round(time.time(), 3),
        }

    def summary(self) -> str:
        """One line: how far, how fast, how long."""
        finished = sum(entry.status == "done" for entry in self.entries)
        total = self.total
        parts = [
            f"{finished} of {len(self.entries)} files",
            human(self.done) + (f" of {human(total)}" if total else ""),
        ]
        if self.rate:
            parts.append(f"{human(self.rate)}/s")
        if self.eta is not None:
            parts.append(f"{duration(self.eta)} left")
        percent = f"{100 * self.done // total:3d}% " if total else ""
        return percent + ", ".join(parts)


class Reporter:
    """Shows a board: bars when `stream` is a terminal, else lines; and writes the state file, if there is one. One that
    cannot be written, or shown, is no reason to end a fetch, until its end.
    """

    def __init__(self, board: Board, stream: TextIO, state: Path | None) -> None:
        self.board, self.stream, self.state = board, stream, state
        if state is not None:
            board.go_on_from(read_state(state))
        self.bars = stream.isatty()
        self._drawn = 0
        self._said: set[str] = set()
        self._next_line = time.monotonic() + LOG_EVERY
        self._next_state = 0.0

    def tick(self) -> None:
        """Show the present state, as often as is useful; call it several times a second."""
        now = time.monotonic()
        self.board.sample(now)
        if self.bars:
            self._draw()
        elif now >= self._next_line:
            self._next_line = now + LOG_EVERY
            self.say(self.board.summary())
        if now >= self._next_state:
            self._next_state = now + 1.0
            self._write_state_if_possible()

    def say(self, line: str) -> None:
        """Print one line above the bars."""
        self._erase()
        self._show(printable(line) + "\n")

    def say_once(self, line: str) -> None:
        """As `say`, unless that was said."""
        if line not in self._said:
            self._said.add(line)
            self.say(line)

    def finish(self, status: str) -> None:
        """Show and write the last state."""
        self._erase()
        self.write_state(status)

    def write_state(self, status: str) -> None:
        """Write the state file. Raises OSError."""
        if self.state is not None:
            write_atomic(self.state, json.dumps(self.board.as_json(status)), sync=False)

    def _write_state_if_possible(self) -> None:
        try:
            self.write_state("running")
        except OSError as error:
            self.say_once(f"{refusal(error)}; going on: the portal shows no progress")

    def _show(self, text: str) -> None:
        if self.stream.closed:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:  # a file on a full disk, or a reader that left
            self.stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it lives as long as this process

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        active = [entry for entry in self.board.entries if entry.status in ("fetching", "verifying")]
        active.sort(key=lambda entry: -(entry.size or 0))
        lines = [self.board.summary()[:width]] + [_bar(entry, width) for entry in active[:BARS]]
        self._erase()
        self._show("\n".join(lines) + "\n")
        self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            self._show(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0


def _bar(entry: Entry, width: int) -> str:
    share = entry.done / entry.size if entry.size else 0.0
    cells = 20
    bar = ("#" * int(cells * share)).ljust(cells, ".")
    name = printable(entry.file.path.rsplit("/", 1)[-1])
    return f"  [{bar}] {human(entry.done):>8}  {name}{' (verifying)' if entry.status == 'verifying' else ''}"[:width]


def human(amount: float) -> str:
    """Bytes for people: `704 MB`, `1.3 GB`."""
    if amount >= 1e9:
        return f"{amount / 1e9:.1f} GB"
    if amount >= 1e6:
        return f"{amount / 1e6:.0f} MB"
    return f"{amount / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """Seconds for people: `45 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
