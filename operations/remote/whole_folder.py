"""A folder that is there complete, with a record of what it was made from, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from operations.remote.wheels_state import RECORD, listing, python_version


def clear(*folders: Path) -> None:
    """Remove what an earlier run that was killed has left."""
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)


def note(folder: Path, made_from: str) -> None:
    """Note in `folder` that it is complete, and as it is now."""
    record = {"made_from": made_from, "python": python_version(), "files": listing(folder)}
    (folder / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")


def replace(dest: Path, new: Path, old: Path) -> None:
    """Put `new` in the place of `dest`. A program that runs from the old one keeps the files that it has open."""
    if dest.exists() or dest.is_symlink():
        dest.rename(old)
    new.rename(dest)
    clear(old)
