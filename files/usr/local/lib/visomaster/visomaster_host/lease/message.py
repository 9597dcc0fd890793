"""The message that stands on the desktop before the machine ends: an xmessage of the desktop's own user."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from visomaster_host import display, paths, users
from visomaster_host.files import owner_of
from visomaster_host.host import Host
from visomaster_host.lease import times
from visomaster_host.lease.keeper import Ending
from visomaster_host.lease.told import WHAT

SOON = (600.0, 120.0)
"""Seconds before the end at which it comes up, and comes up again if it was closed."""
_AGAIN = 30.0
"""Seconds between two tries where there is no screen."""
_PRESSED = 10
"""xmessage's exit status for the button that keeps the machine."""


def text(found: Ending) -> str:
    """What stands there."""
    why = "Nobody seems to use this box." if found.idle else "The lease of this box is over soon."
    return f"{why}\n\nIt {WHAT[found.how]}: {times.spoken(found.at)}.\nWhat is not saved in the program then is lost.\n"


class Message:
    """The message, shown or not."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._process: subprocess.Popen[bytes] | None = None
        self._shown: Ending | None = None
        self._closed: set[float] = set()
        self._again = 0.0

    def show(self, found: Ending | None, left: float, count: float) -> bool:
        """Have it shown when `found` is less than ten minutes away, `left` seconds; `count` is the kernel's. Returns
        whether its button was pressed since the last call.
        """
        due = next((each for each in reversed(SOON) if left <= each), None) if found else None
        pressed = self._has_ended(due, count)
        if due is None or found is None:
            self._closed.clear()
            self.hide()
        elif self._shown is not None and (self._shown.how, round(self._shown.at / 90)) != (
            found.how,
            round(found.at / 90),
        ):
            self.hide()
        elif self._process is None and due not in self._closed and count >= self._again:
            self._begin(found, count)
        return pressed

    def hide(self) -> None:
        """Take it away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._shown = None

    def _has_ended(self, due: float | None, count: float) -> bool:
        if self._process is None or (status := self._process.poll()) is None:
            return False
        self._process = self._shown = None
        self._again = count + _AGAIN
        if status == 0 and due is not None:  # a person has closed it
            self._closed |= {each for each in SOON if each >= due}
        return status == _PRESSED

    def _begin(self, found: Ending, count: float) -> None:
        who = owner_of(users.DESKTOP)
        as_user: dict[str, Any] = {"user": who.uid, "group": who.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        buttons = f"Keep it running for another hour:{_PRESSED},Close:0"
        command = (str(paths.XMESSAGE), "-name", "visomaster-lease", "-title", "VisoMaster", "-center")
        environment = {**display.variables(self._host), "PATH": paths.SYSTEM_PATH, "LC_ALL": "C.UTF-8"}
        try:
            self._process = subprocess.Popen(
                (*command, "-buttons", buttons, text(found)),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                **as_user,
            )
            self._shown = found
        except OSError:
            self._again = count + _AGAIN
