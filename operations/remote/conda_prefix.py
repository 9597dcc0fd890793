"""What is put in order in a prefix beside what rattler installs: its records, and what it does not remove."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from operations.remote.conda_errors import translated
from operations.remote.conda_files import write_atomically
from operations.remote.conda_progress import say

if TYPE_CHECKING:
    from rattler import PrefixRecord, RepoDataRecord


def readable_records(meta: Path) -> list[PrefixRecord]:
    """What conda-meta says is installed. A damaged record is removed: its package is linked again."""
    from rattler import PrefixRecord

    # rattler renames a record into place when it is whole, and so do we.
    for unfinished in (*meta.glob("prefix_record_*"), *meta.glob(".*.json.part")):
        unfinished.unlink()
    records = []
    for path in sorted(meta.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            say(f"{path.name} is damaged: installing its package again")
            path.unlink()
            continue
        with translated(f"cannot read {path}"):
            records.append(PrefixRecord.from_path(path))
    return records


def tidy_records(meta: Path, canonical: Mapping[str, tuple[str, str]]) -> None:
    """Name the canonical channel (not this run's mirror or cache) in every record, and let everybody read it.

    rattler makes records 0600; conda, run by the unprivileged user, reads them.
    """
    for path in meta.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        url, channel = canonical[record["sha256"]]
        record.update(url=url, channel=channel, extracted_package_dir=None)
        if record.get("link"):
            record["link"]["source"] = ""
        text = json.dumps(record, indent=2)
        if text != path.read_text(encoding="utf-8") or path.stat().st_mode & 0o777 != 0o644:
            write_atomically(path, text)


def remove_old_interpreters(prefix: Path, wanted: Sequence[RepoDataRecord]) -> None:
    """Remove ``lib/pythonX.Y`` of interpreters that are gone: what pip put there, nobody can import."""
    versions = [str(record.version).split(".") for record in wanted if record.name.normalized == "python"]
    current = {f"python{version[0]}.{version[1]}" for version in versions}
    if not current:
        return
    for directory in (prefix / "lib").glob("python[23].*"):
        if directory.is_dir() and not directory.is_symlink() and directory.name not in current:
            say(f"removing {directory}")
            shutil.rmtree(directory)


def find_by_name(prefix: Path, wanted: Sequence[RepoDataRecord]) -> None:
    """Let ``conda activate NAME`` work where conda is in the environment: it looks in PREFIX/envs only."""
    if any(record.name.normalized == "conda" for record in wanted):
        write_atomically(prefix / ".condarc", f"envs_dirs:\n  - {prefix.parent}\n")
