"""The page of the desktop's stream: Selkies' own, with scripts of ours before its own."""

from __future__ import annotations

import re
from pathlib import Path

from visomaster_host.problems import Problem

_SCRIPT = re.compile(r'<script type="module" crossorigin src="\./(assets/index-[A-Za-z0-9_-]+\.js)"></script>')
_CORE = "assets/selkies-core-*.js"
_OWN = re.compile(r'<link rel="(?:manifest|icon|apple-touch-icon)"[^>]*>|<title>[^<]*</title>')
_HEAD = """<title>VisoMaster</title>
<meta name="color-scheme" content="dark">
<link rel="icon" href="../assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="../assets/stream.css">
<script nonce="{nonce}">
{again}</script>
<script type="module" nonce="{nonce}" src="../assets/stream.js" data-then="{then}"></script>"""


def stream_page(web: Path, again: str, nonce: str) -> bytes | None:
    """The page made of what is in `web`, the folder of Selkies' page; None where there is no such folder.

    Its two scripts are named in ours, which begins them when it may; `again` is the script that loads the page anew
    when a part of it has not come. Only scripts with the `nonce` run. Raises `Problem` when it is another page than
    the one this was written for.
    """
    try:
        page = (web / "index.html").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    scripts, cores = _SCRIPT.findall(page), sorted(web.glob(_CORE))
    if len(scripts) != 1 or page.count("<script") != 1 or len(cores) != 1:
        found = f"{page.count('<script')} scripts and {len(cores)} of {_CORE}"
        raise Problem(
            f"{web}/index.html: expected Selkies' page with one script, and its core beside it, found {found}"
        )
    then = f"{cores[0].relative_to(web)} {scripts[0]}"
    page = _SCRIPT.sub("", _OWN.sub("", page))
    head = _HEAD.format(nonce=nonce, again=again, then=then)
    return page.replace('<meta charset="utf-8">', '<meta charset="utf-8">\n' + head, 1).encode()
