"""What of a folder on this machine is brought to a host, and the one digest of all of it."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LEFTOVERS = (".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__")
"""What tools leave in folders: it is brought to no host."""

_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """One file to bring: where it is here, whether it is a program, and whether it is this project's own."""

    path: Path
    executable: bool
    own: bool = False

    @property
    def content(self) -> bytes:
        """What the host gets. A text of ours has line ends of Unix: with others a host could not run it."""
        found = self.path.read_bytes()
        return found if b"\0" in found or not self.own else found.replace(b"\r\n", b"\n")

    @property
    def mode(self) -> str:
        """Permission bits on the host, in octal."""
        return "755" if self.executable else "644"

    @property
    def sha256(self) -> str:
        """The digest of what the host gets. Of somebody else's file it is kept until that changes: it may be large."""
        if self.own:
            return hashlib.sha256(self.content).hexdigest()
        status = self.path.stat()
        return _sha256(self.path, (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))


@functools.lru_cache(maxsize=65536)
def _sha256(path: Path, _state: tuple[int, ...]) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            whole.update(piece)
    return whole.hexdigest()


def local_files(folder: Path, exclude: frozenset[str] = frozenset(), *, own: bool = False) -> dict[str, LocalFile]:
    """The regular files below `folder` by relative path, links to such among them, without `LEFTOVERS` and the entries
    of its top level named in `exclude`. What is behind a link to a folder is not part of it.

    `own`: they are of this project, which knows by itself what of it is a program. Archives, and file systems of
    Windows, lose the bit that says so. Raises `OSError`.
    """
    return {
        path.relative_to(folder).as_posix(): LocalFile(path=path, executable=_is_program(path, own=own), own=own)
        for path in sorted(_regular(folder, exclude))
    }


def left_behind(folder: Path, exclude: frozenset[str] = frozenset()) -> list[str]:
    """The relative paths of what `local_files` does not bring although nobody left it out: links to folders, links that
    lead nowhere, and what is no file."""
    entries = (Path(top, name) for top, folders, files in _walked(folder, exclude) for name in (*folders, *files))
    return sorted(
        entry.relative_to(folder).as_posix()
        for entry in entries
        if not entry.is_file() and (entry.is_symlink() or not entry.is_dir())
    )


def _regular(top: Path, exclude: frozenset[str]) -> Iterator[Path]:
    for name, _, files in _walked(top, exclude):
        yield from (path for file in files if (path := Path(name, file)).is_file())


def _walked(top: Path, exclude: frozenset[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    for name, folders, files in os.walk(top):
        left_out = {*LEFTOVERS, *(exclude if Path(name) == top else ())}
        folders[:] = [folder for folder in folders if folder not in left_out]
        yield name, folders, [file for file in files if file not in left_out]


def _is_program(path: Path, *, own: bool) -> bool:
    if not own:
        return bool(path.stat().st_mode & 0o100)
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def digest(files: Mapping[str, LocalFile]) -> str:
    """One sha256 over names, modes and contents of `files`. Raises `OSError`."""
    whole = hashlib.sha256()
    for name, file in sorted(files.items()):
        whole.update(f"{name}\0{file.mode}\0{file.sha256}\n".encode())
    return whole.hexdigest()


def is_below(name: str, paths: Collection[str]) -> bool:
    """Whether the relative path `name` is one of `paths` or below one."""
    return any(f"{name}/".startswith(f"{path}/") for path in paths)


def without(files: Mapping[str, LocalFile], paths: Collection[str]) -> dict[str, LocalFile]:
    """`files` but those at or below one of `paths`."""
    return {name: file for name, file in files.items() if not is_below(name, paths)}
