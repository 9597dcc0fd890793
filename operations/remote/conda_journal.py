"""What a run changes in a prefix, so that the next one can undo what was left half done."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from operations.remote.conda_files import write_atomically

if TYPE_CHECKING:
    from rattler import PrefixRecord, RepoDataRecord

PENDING = "visomaster-pending"  # in conda-meta: the journal of a run that has not ended


class Journal:
    """What a run is changing, kept in conda-meta until the run ends: packages and all files they may have.

    A killed run leaves files of packages without a record, and records of packages without their files; only
    this says which. One JSON line per package, the name and the files' paths in the prefix.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packages: dict[str, list[str]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            with contextlib.suppress(ValueError):  # the last line, cut off: its package was not begun
                name, paths = json.loads(line)
                self.packages.setdefault(name, []).extend(paths)

    def begin(self, packages: Mapping[str, Sequence[str]]) -> None:
        """Write down what is about to be changed."""
        lines = [json.dumps([name, list(paths)]) for name, paths in packages.items()]
        write_atomically(self.path, "".join(f"{line}\n" for line in lines))

    def add(self, name: str, paths: Sequence[str]) -> None:
        """Write down the files a package is about to bring."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps([name, list(paths)])}\n")
            file.flush()
            os.fsync(file.fileno())

    def end(self) -> None:
        """The run ended: all packages are what their records say."""
        self.path.unlink()


def files_changing(installed: Sequence[PrefixRecord], wanted: Sequence[RepoDataRecord]) -> dict[str, list[str]]:
    """The names of packages that are not, or not the same, in both lists, with the files they have here."""
    before = {(record.name.normalized, record.sha256) for record in installed}
    after = {(record.name.normalized, record.sha256) for record in wanted}
    files = {record.name.normalized: [str(path) for path in record.files] for record in installed}
    return {name: files.get(name, []) for name, _ in before ^ after}


def remove_orphans(prefix: Path, installed: Sequence[PrefixRecord], journal: Journal) -> None:
    """Remove what an interrupted run linked of packages that have no record, and directories left empty."""
    owned = {str(path) for record in installed for path in record.files}
    for relative in {path for paths in journal.packages.values() for path in paths} - owned:
        path = prefix / relative
        path.unlink(missing_ok=True)
        if path.suffix == ".py":
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                compiled.unlink()
        for directory in (path.parent / "__pycache__", *path.parents):
            if directory == prefix or not directory.is_dir() or any(directory.iterdir()):
                continue
            directory.rmdir()
