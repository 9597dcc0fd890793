"""Why an X server ends at its start, where it has lost its standard error by then.

Xtigervnc with a listening socket as standard input sends its errors to nowhere before it opens the screen. When one has
ended it is started once more for nobody, only to hear what it says.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from visomaster_host import paths, users
from visomaster_host.files import owner_of
from visomaster_host.last_words import MARK
from visomaster_host.problems import say

LASTS = 1.0
"""Seconds after which it counts as started; where it ends it does so within 0.1 s."""
_MOST_LINES = 6


def say_why_not(argv: Sequence[str]) -> None:
    """Start `argv` as the desktop's user; print what it has said last if it ends. A server that runs is ended. Raises
    OSError, `Problem`.
    """
    user = owner_of(users.DESKTOP)
    environment = {"PATH": paths.SYSTEM_PATH, "HOME": str(paths.HOME), "LANG": "C.UTF-8"}
    with subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        user=user.uid,
        group=user.gid,
        extra_groups=[],
    ) as server:
        try:
            said = server.communicate(timeout=LASTS)[1]
        except subprocess.TimeoutExpired:
            server.terminate()
            return
    lines = [line for line in said.splitlines() if line.strip()]
    for line in lines[-_MOST_LINES:]:
        say(f"{MARK}{argv[0]}: {line.strip()}")
