"""Why an installation failed, in one line for the person who runs it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator

NO_SPACE = "no space left on device: free some and run again, the rest is installed then"


class InstallationError(Exception):
    """What went wrong, in one line for the person who runs it."""


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what rattler raises into an ``InstallationError`` of one line.

    Its errors share no base class, and a Rust panic is a ``BaseException``.
    """
    try:
        yield
    except (InstallationError, BrokenPipeError, SystemExit, KeyboardInterrupt, asyncio.CancelledError):
        raise
    except BaseException as error:
        reason = one_line(error)
        raise InstallationError(reason if reason.startswith("no space") else f"{doing}: {reason}") from error


def one_line(error: BaseException) -> str:
    """The error as one line: what failed and the innermost cause."""
    text = str(error)
    if "os error 28" in text or getattr(error, "errno", None) == 28:
        return NO_SPACE
    if type(error).__name__ == "SolverError":  # a tree of who wants what
        return re.sub(r"[\s│├└─]+", " ", text.removeprefix("Cannot solve the request because of: ")).strip()
    lines = [line.strip().removeprefix("Caused by: ") for line in text.splitlines() if line.strip()]
    if "hash mismatch" in text:
        return f"{lines[0]}: its sha256 is not the one in the lock"
    return ": ".join(dict.fromkeys([*lines[:1], *lines[-1:]])) or type(error).__name__


def cause(error: BaseException) -> str:
    return one_line(error).rpartition(": ")[2]
