"""Files written whole, and directories removed whole."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

REMOVE_SECONDS = 10.0


def write_atomically(path: Path, text: str) -> None:
    """Write a file of mode 0644 so that a crash leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(0o644)
    part.replace(path)


def remove_directory(directory: Path) -> None:
    """Remove a directory and all in it; after a failure rattler's threads may still be unpacking there."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while directory.exists():
        try:
            shutil.rmtree(directory)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
