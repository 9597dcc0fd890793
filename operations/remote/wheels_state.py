"""What a folder of installed wheels is: the record that was left in it, beside what is there now.

As a program, with the folder as its argument, it prints one line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

RECORD = ".complete"


def listing(folder: Path) -> str:
    """A digest over the names, modes, owners, sizes and links of all that is in `folder`, short of the record."""
    whole = hashlib.sha256()
    for line in sorted(_entries(folder)):
        whole.update(f"{line}\n".encode())
    return whole.hexdigest()


def _entries(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files, "."):
            path = Path(root, name)
            if path == folder / RECORD:
                continue
            found = path.lstat()
            size = os.readlink(path) if path.is_symlink() else 0 if path.is_dir() else found.st_size
            yield f"{path.relative_to(folder)!s} {found.st_mode:o} {found.st_uid} {size}"


def python_version() -> str:
    """What wheels are made for: "3.11"."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def state(folder: Path) -> dict[str, object]:
    """`made_from`: what the folder was made from, "" unless it is complete, as it was, and for this Python."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = record["python"] == python_version() and record["files"] == listing(folder)
        return {"made_from": str(record["made_from"]) if whole else ""}
    except (OSError, ValueError, TypeError, KeyError):
        return {"made_from": ""}


if __name__ == "__main__":
    print(json.dumps(state(Path(sys.argv[1]))))
