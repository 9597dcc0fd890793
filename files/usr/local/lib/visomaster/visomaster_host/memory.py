"""What the kernel tells of the memory that this machine or container may use: its limit, and whom it killed for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from visomaster_host import paths

EVENTS, CONTROL = "memory.events", "memory.oom_control"
"""Where control groups of version 2 and of version 1 count what was killed."""

_LIMITS = ("memory.max", "memory.limit_in_bytes")
_NO_LIMIT = 1 << 60
"""Bytes; version 1 says something above it for "none"."""


def counter() -> Path | None:
    """The file that counts what the kernel kills in the control group of this process; None where nothing does."""
    return next((path for path in _counters() if killed(path) is not None), None)


def killed(path: Path) -> int | None:
    """How many processes were killed for memory, as the file `path` counts them; None when it cannot be read."""
    try:
        words = path.read_text(encoding="ascii").split()
        return int(words[words.index("oom_kill") + 1])
    except (OSError, ValueError, IndexError):
        return None


def limit(path: Path) -> int | None:
    """The bytes that the control group of the counting file `path` may use; None when nothing limits it."""
    for name in _LIMITS:
        try:
            found = int(path.with_name(name).read_text(encoding="ascii"))
        except (OSError, ValueError):  # the other version, or "max"
            continue
        return found if found < _NO_LIMIT else None
    return None


def _counters() -> Iterator[Path]:
    """The places for the counting file: by the group's own name, as a machine shows it, then as a container does."""
    try:
        lines = paths.OWN_GROUPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        lines = []
    for kinds, group in (line.split(":", 2)[1:] for line in lines if line.count(":") >= 2):
        if "memory" in kinds.split(","):
            yield from _in(paths.GROUPS / "memory", group, CONTROL)
        elif not kinds:
            yield from _in(paths.GROUPS, group, EVENTS)


def _in(top: Path, group: str, name: str) -> Iterator[Path]:
    yield top / group.strip("/") / name
    yield top / name
