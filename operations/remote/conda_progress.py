"""What a person who waits for an installation is told."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operations.remote.conda_journal import Journal

if TYPE_CHECKING:
    from rattler import RepoDataRecord

PROGRESS_SECONDS = 2.0


def say(message: str) -> None:
    """One line of progress."""
    print(f"environment: {message}", flush=True)


class Reporter:
    """Hears of rattler's steps: keeps the journal, and prints a line every two seconds."""

    def __init__(self, journal: Journal, cache: Path, wanted: Sequence[RepoDataRecord]) -> None:
        self.journal = journal
        self.unpacked = {r.name.normalized: cache / re.sub(r"\.(conda|tar\.bz2)$", "", r.file_name) for r in wanted}
        versions = [str(r.version).split(".") for r in wanted if r.name.normalized == "python"]
        self.site = f"lib/python{'.'.join(versions[0][:2])}/site-packages/" if versions else "site-packages/"
        self.total = self.done = 0
        self.bytes: dict[int, int] = {}
        self.said = time.monotonic()

    def on_transaction_start(self, total_operations: int) -> None:
        self.total = total_operations

    def on_link_start(self, operation: int, package_name: str) -> int:
        self.journal.add(package_name, [*self._files(self.unpacked[package_name] / "info")])
        return operation

    def _files(self, info: Path) -> Iterator[str]:
        """The paths in the prefix of an unpacked package's files; Python's noarch packages go where it is."""
        for entry in json.loads((info / "paths.json").read_text(encoding="utf-8"))["paths"]:
            path = re.sub("^python-scripts/", "bin/", entry["_path"])
            yield re.sub("^site-packages/", self.site, path)

    def on_download_start(self, cache_entry: int) -> int:
        return cache_entry

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        self.bytes[download_idx] = progress
        self._say_now_and_then()

    def on_transaction_operation_complete(self, operation: int) -> None:
        self.done += 1
        self._say_now_and_then(at_once=self.done == self.total)

    def _say_now_and_then(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self.said >= PROGRESS_SECONDS:
            self.said = time.monotonic()
            say(f"{self.done} of {self.total} packages, {sum(self.bytes.values()) / 1e6:.0f} MB")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):  # the events nobody needs to hear of
            return lambda *_: 0
        raise AttributeError(name)
