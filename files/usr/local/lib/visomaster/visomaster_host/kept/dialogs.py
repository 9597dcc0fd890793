"""What stands at the side of the program's dialogs for files: Qt's own settings, of its user.

Qt reads `shortcuts` of `[FileDialog]` in QtProject.conf, and takes no notice of them without a `sidebarWidth`; it
writes both when a dialog closes. Tried with PySide6 6.7.2 and 6.9.3, which open the first dialog of a run in the
program's own folder whatever `lastVisited` says there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from visomaster_host import paths
from visomaster_host.kept.linking import write_beside

_GROUP = "[FileDialog]"
_MOST = 1 << 20  # characters; Qt writes some thousand
_SIDEBAR = 160  # pixels


def lead_to_workspace(home: Path) -> None:
    """Have `in` and `out` of /workspace at the side of dialogs of the user with this `home`, unless something else
    was put there. Raises OSError.
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
    """`text`, a QtProject.conf, with places at the side if it has none."""
    found = re.search(rf"^{re.escape(_GROUP)}[ \t]*\r?$\n?((?:(?!\[).*\n?)*)", text, re.MULTILINE)
    own = found[1] if found else ""
    if re.search(r"^shortcuts\s*=", own, re.MULTILINE):
        return text
    places = [place.as_uri() for place in (paths.INPUT, paths.OUTPUT, home)]
    lines = f"shortcuts={', '.join((*places, 'file:'))}\n"
    if not re.search(r"^sidebarWidth\s*=", own, re.MULTILINE):
        lines += f"sidebarWidth={_SIDEBAR}\n"
    if found is None:
        between = "\n" if text and not text.endswith("\n") else ""
        return f"{text}{between}{_GROUP}\n{lines}"
    return f"{text[: found.start(1)]}{lines}{text[found.start(1) :]}"
