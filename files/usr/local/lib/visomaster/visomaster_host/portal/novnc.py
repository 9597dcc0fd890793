"""noVNC's page, which is the distribution's with scripts of ours before its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from visomaster_host.choices import Screen
from visomaster_host.problems import Problem

TITLE = "Desktop · VisoMaster"
"""What a tab with the desktop is called, whichever page shows it."""

_RESIZE: Mapping[Screen, str] = MappingProxyType({Screen.TIGERVNC: "remote", Screen.GUIDE: "scale"})
_OF_SCREEN: Mapping[Screen, str] = MappingProxyType({Screen.TIGERVNC: "novnc_size.js", Screen.GUIDE: "novnc_x11vnc.js"})
"""What one VNC server needs of the page and the other does not: a size, or help with the clipboard."""

_ITS_OWN = re.compile(r"<title>[^<]*</title>|<link rel=\"(?:apple-touch-)?icon\"[^>]*>|<meta name=\"viewport\"[^>]*>")
"""Its name, its icons, and that nobody may make it larger: what our pages have is in their place."""
_HEAD = (
    f"<title>{TITLE}</title>",
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<link rel="icon" href="../assets/icon.svg" type="image/svg+xml">',
    '<link rel="stylesheet" href="../assets/way.css">',
    '<link rel="stylesheet" href="../assets/novnc.css">',
)


def resize(screen: Screen) -> str:
    """noVNC's setting: the desktop follows the window; is fitted into it where the VNC server refuses to be resized."""
    return _RESIZE[screen]


def page(novnc: Path, share: Path, screen: Screen, nonce: str) -> bytes:
    """The page in the folder `novnc`, with scripts from `share` first and the `nonce` that lets all of them run; the
    distribution's files stay as they are. The first one loads the page again when a part of it has not come. Raises
    `Problem`.
    """
    try:
        text = (novnc / "vnc.html").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Problem(f"{novnc}/vnc.html is missing: the host has not been set up, run the deploy first") from None
    if "<script" not in text:
        raise Problem(f"{novnc}/vnc.html: expected a page of noVNC, found no script in it")
    text = _ITS_OWN.sub("", text)
    first = text.find("<script")
    again = (share / "templates/again.js").read_text(encoding="utf-8")
    modules = ("novnc.js", _OF_SCREEN[screen])
    ours = [f"<script>\n{again}</script>", *_HEAD]
    ours += [f'<script type="module" src="../assets/{name}"></script>' for name in modules]
    text = text[:first] + "".join(f"{script}\n    " for script in ours) + text[first:]
    return re.sub(r"<script\b", f'<script nonce="{nonce}"', text).encode()
