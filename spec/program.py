"""Where a program is taken from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class GitSource:
    """A program taken from `url` at `commit` (40 hexadecimal digits)."""

    url: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """A program taken from a folder on the machine that runs pyinfra.

    `exclude` names entries at its top that are not part of the program.
    """

    path: Path
    exclude: frozenset[str] = frozenset()


Source = GitSource | FolderSource
