"""Where a program is taken from."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from visomaster_host.text import printable

from spec.folder import LEFTOVERS, LocalFile, digest, is_below, left_behind, local_files, without

_NO_LINE = re.compile("[\n\r\ud800-\udfff]")
"""What makes a name two lines, or is of no character: a host is asked for its files line by line, in UTF-8."""

_SHOWN = 5
"""Of the names of what is not brought."""


@dataclass(frozen=True, kw_only=True)
class GitSource:
    """A program taken from `url` at `commit` (40 hexadecimal digits)."""

    url: str
    commit: str

    def shown(self, kept: Collection[str] = ()) -> str:
        """What tells it from other states of the program: all of the commit."""
        return self.commit


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """A program taken from a folder on the machine that runs pyinfra.

    `exclude` names entries at its top that are not part of the program.
    """

    path: Path
    exclude: frozenset[str] = frozenset()

    def files(self, kept: Collection[str] = ()) -> dict[str, LocalFile]:
        """The program's files by relative path, but those at or below the paths `kept`, which are a person's. Raises
        `ValueError` for a file that cannot be read."""
        try:
            return without(local_files(self.path, self.exclude), kept)
        except OSError as error:
            _refuse(error)

    def fingerprint(self, kept: Collection[str] = ()) -> str:
        """One sha256 over the names, modes and contents of `files`, and no times. Raises `ValueError` as they do."""
        try:
            return digest(self.files(kept))
        except OSError as error:
            _refuse(error)

    def shown(self, kept: Collection[str] = ()) -> str:
        """What tells it from other states of the program. Raises `ValueError` as `files` does."""
        return f"local-{self.fingerprint(kept)[:12]}"

    def left_behind(self, kept: Collection[str] = ()) -> str | None:
        """The line about what of the folder is not brought, None where there is nothing of that kind."""
        names = left_behind(self.path, self.exclude)
        if not (shown := [name for name in names if not is_below(name, kept)]):
            return None
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        named = ", ".join(shown[:_SHOWN])
        return printable(f"not brought from {self.path.name}/: {named}{more}: only files are, and links to files")

    def require_readable(self) -> None:
        """Raise `ValueError` for a file or folder that could not be copied: not readable, or with a name that is no
        line of text."""
        for folder, folders, files in os.walk(self.path, onerror=_refuse):
            left_out = {*LEFTOVERS, *(self.exclude if Path(folder) == self.path else ())}
            folders[:] = [name for name in folders if name not in left_out]
            files = [name for name in files if name not in left_out]
            for name in (*folders, *files):
                if _NO_LINE.search(name):
                    raise ValueError(f"{folder}: expected names that are lines of text, got {name!r}")
            for name in files:
                path = Path(folder, name)
                if path.is_file() and not os.access(path, os.R_OK):
                    raise ValueError(f"{path}: Permission denied")


def _refuse(error: OSError) -> NoReturn:
    raise ValueError(f"{error.filename}: {error.strerror}") from None


Source = GitSource | FolderSource
