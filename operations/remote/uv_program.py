"""How uv comes to this machine: the program in its wheel, by hash."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from operations.remote.pinned_wheel import NotFetched, fetch_wheel


def bring_uv(locked: str, index: str, said: Mapping[str, str], work: Path) -> Path:
    """The uv of the requirement set `locked`, in the folder `work`, fetched from `index` unless it is there already.

    `said` is what the box says to pip. Raises `NotFetched`, and ``OSError`` for a disk that is full.
    """
    version = "".join(re.findall(r"^uv==(\S+)", locked, re.MULTILINE))
    program = work / f"uv-{version}"
    if program.exists():
        return program
    part = program.with_suffix(".part")
    try:
        with (
            fetch_wheel(locked, index, said) as wheel,
            wheel.open(f"uv-{version}.data/scripts/uv") as packed,
            part.open("wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked, 1 << 20)
    except NotFetched as error:
        raise NotFetched(f"cannot fetch uv: {error}") from None
    part.chmod(0o755)
    part.rename(program)
    return program
