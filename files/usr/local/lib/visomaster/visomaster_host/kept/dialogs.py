"""Where the program's dialogs for files open, and what stands at their side: Qt's own settings, of its user.

Qt 5 and 6 read `shortcuts` and `lastVisited` of `[FileDialog]` in QtProject.conf (qtbase, qfiledialog.cpp) and write
them when a dialog closes: what is there is a person's.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from visomaster_host import paths
from visomaster_host.kept.linking import write_beside

_GROUP = "[FileDialog]"
_MOST = 1 << 20  # bytes; Qt keeps some hundred


def lead_to_workspace(home: Path) -> None:
    """Have dialogs of Qt programs of the user with this `home` open in /workspace/in, unless they were told otherwise.
    Raises OSError.
    """
    path = os.path.realpath(home / ".config" / "QtProject.conf")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read(_MOST + 1)
    except FileNotFoundError:
        text = ""
    wanted = with_places(text, home)
    if wanted == text or len(text) > _MOST:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_beside(path, wanted)


def with_places(text: str, home: Path) -> str:
    """`text`, a QtProject.conf, with the keys that it lacks."""
    places = (paths.INPUT, paths.OUTPUT, home)
    keys = {
        "lastVisited": paths.INPUT.as_uri(),
        "shortcuts": ", ".join(place.as_uri() for place in places) + ", file:",
    }
    found = re.search(rf"^{re.escape(_GROUP)}[ \t]*\r?$\n?((?:(?!\[).*\n?)*)", text, re.MULTILINE)
    own = found[1] if found else ""
    missing = [f"{key}={value}\n" for key, value in keys.items() if not re.search(rf"^{key}\s*=", own, re.MULTILINE)]
    if not missing:
        return text
    if found is None:
        return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{_GROUP}\n{''.join(missing)}"
    return f"{text[: found.start(1)]}{''.join(missing)}{text[found.start(1) :]}"
