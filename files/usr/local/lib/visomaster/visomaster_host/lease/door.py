"""Where the portal's pages, and the desktop, ask for another hour: a unix socket each, which only its user can open.

One that never ends its question keeps nobody waiting but its own kind, and those for two seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from visomaster_host import beneath
from visomaster_host.files import Owner
from visomaster_host.lease.terms import TooLate
from visomaster_host.problems import Problem
from visomaster_host.refusals import refusal

WITHIN = 2.0
"""Seconds for a question."""
ANSWERED_WITHIN = 10.0
"""Seconds that one waits for the answer."""
_QUESTION = b"keep\n"
_MOST = 4096

Keep = Callable[[], str]
"""Keeps the machine for an hour more; returns the line that says so. Raises `TooLate`, OSError."""


def open_door(place: Path, owner: Owner, keep: Keep) -> None:
    """Answer on a socket at `place` that `owner` alone can open, in a thread. Raises OSError."""
    with beneath.Folder.open(place.parent) as folder:
        folder.remove(place.name)  # of one that was killed
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    os.chmod(place, 0o600)
    os.chown(place, owner.uid, owner.gid)
    listener.listen(8)
    threading.Thread(target=_serve, args=(listener, keep), daemon=True).start()


def _serve(listener: socket.socket, keep: Keep) -> None:
    while True:
        with contextlib.suppress(OSError):  # who asked has left
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(WITHIN)
                if connection.recv(len(_QUESTION)) == _QUESTION:
                    connection.sendall(json.dumps(_answer(keep)).encode() + b"\n")


def _answer(keep: Keep) -> dict[str, object]:
    try:
        return {"kept": True, "told": keep()}
    except TooLate as reason:
        return {"kept": False, "told": str(reason)}
    except OSError as error:
        return {"kept": False, "told": refusal(error)}


def ask(place: Path) -> str:
    """Ask at `place` for an hour more; returns what is said to it. Raises `Problem` when it is not granted."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWERED_WITHIN)
            connection.connect(str(place))
            connection.sendall(_QUESTION)
            answer: Any = json.loads(_line(connection))
            kept, told = answer["kept"], str(answer["told"])
    except FileNotFoundError:
        raise Problem("no lease is kept here") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        raise Problem(f"{place}: the service for the lease does not answer: {reason}") from None
    if kept is not True:
        raise Problem(told)
    return told


def _line(connection: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"\n") and len(answer) < _MOST and (more := connection.recv(_MOST)):
        answer += more
    return answer
