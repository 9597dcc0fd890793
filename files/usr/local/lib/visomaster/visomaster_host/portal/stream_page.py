"""The page of the desktop's stream: Selkies' own, with scripts of ours before its own."""

from __future__ import annotations

import re
from pathlib import Path

from visomaster_host.beneath import Folder
from visomaster_host.files import Owner, write_atomic
from visomaster_host.portal.novnc import TITLE
from visomaster_host.problems import Problem

NAME = "stream.html"
"""What it is called in the folder of what Caddy reads."""

_SCRIPT = re.compile(r'<script type="module" crossorigin src="\./(assets/index-[A-Za-z0-9_-]+\.js)"></script>')
_CORE = "assets/selkies-core-*.js"
_OWN = re.compile(
    r'<link rel="(?:manifest|icon|apple-touch-icon)"[^>]*>|<meta name="viewport"[^>]*>|<title>[^<]*</title>'
)
_FIRST = '<meta charset="utf-8">'
_HEAD = """<title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<link rel="icon" href="../assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="../assets/way.css">
<link rel="stylesheet" href="../assets/stream.css">
<script nonce="{nonce}">
{again}</script>
<script type="module" nonce="{nonce}" src="../assets/stream.js" data-then="{then}"></script>"""


def install(web: Path, share: Path, nonce: str, run: Path, owner: Owner) -> list[str]:
    """Put the page into `run`, to be read by `owner` alone; none where Selkies is not. `share` has the portal's own
    files. Returns what is to be said: the rest of the portal is not in need of this page. Raises OSError.
    """
    try:
        made = page(web, (share / "templates/again.js").read_text(encoding="utf-8"), nonce)
    except Problem as problem:
        return [*_remove(run), str(problem)]
    if made is None:
        return _remove(run)
    write_atomic(run / NAME, made, mode=0o400, owner=owner)
    return []


def _remove(run: Path) -> list[str]:
    """No page, where a start before this one may have left one."""
    with Folder.open(run) as folder:
        folder.remove(NAME)
    return []


def page(web: Path, again: str, nonce: str) -> bytes | None:
    """The page made of what is in `web`, the folder of Selkies' page; None where there is no such folder.

    Its two scripts are named in ours, which begins them when it may; `again` is the script that loads the page anew
    when a part of it has not come. Only scripts with the `nonce` run. Raises `Problem` when it is another page than
    the one this was written for.
    """
    try:
        text = (web / "index.html").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    scripts, cores = _SCRIPT.findall(text), sorted(web.glob(_CORE))
    if _FIRST not in text or len(scripts) != 1 or text.count("<script") != 1 or len(cores) != 1:
        found = f"{text.count('<script')} scripts in it and {len(cores)} of {_CORE}"
        raise Problem(f"{web}/index.html: expected Selkies' page with one script, and its core, found {found}")
    then = f"{cores[0].relative_to(web)} {scripts[0]}"
    head = _FIRST + "\n" + _HEAD.format(title=TITLE, nonce=nonce, again=again, then=then)
    return _SCRIPT.sub("", _OWN.sub("", text)).replace(_FIRST, head, 1).encode()
