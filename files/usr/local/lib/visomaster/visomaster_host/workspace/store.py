"""The hidden folder that uploads are kept in until they are done, below the root of the tree.

Each has three files: what is to become of it (`ID.json`), what has arrived (`ID.part`) and the journal of that
(`ID.pieces`). Of one that is done there is only `done/ID.json`, for a day. The program may write there, too: what is
not as we made it is refused or ignored.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from visomaster_host.beneath import Folder
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.parts import files_of
from visomaster_host.workspace.pieces import Journal
from visomaster_host.workspace.tree import Tree, elements_of, name_of
from visomaster_host.workspace.tus import Wish

UPLOADS = ".uploads"
DONE = "done"
KEPT = 24 * 60 * 60
"""Seconds that it is remembered what became of an upload: a client whose last answer was lost asks."""
MOST_LISTED = 1000

NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
"""128 random bits: who does not know it does not guess it."""
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of an upload: its path from the root of the tree, its sha256 and its bytes."""

    path: str
    sha256: str
    size: int


class Store:
    """The uploads of a tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @contextlib.contextmanager
    def entered(self) -> Iterator[Folder]:
        """The folder of the uploads. Raises OSError."""
        with self._tree.folder(()) as root:
            new = root.status(UPLOADS) is None
            with root.enter(UPLOADS, make=0o700) as folder:
                if new:
                    root.sync()
                yield folder

    def create(self, folder: Folder, name: str, wish: Wish) -> None:
        """Begin the upload `name`. Nothing of it is on disk yet. Raises OSError."""
        try:
            folder.write(_json(name), _written(asdict(wish)), mode=0o600, owner=None, sync=False)
            for each in files_of(name):
                os.close(folder.open_file(each, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except OSError:
            self.discard(folder, name)
            raise

    def keep(self, folder: Folder, name: str) -> None:
        """Put what `create` has made on disk. Raises OSError."""
        descriptor = folder.open_file(_json(name))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder.sync()
        with self._tree.folder(()) as root:  # the folder itself may be new
            root.sync()

    def wish(self, folder: Folder, name: str) -> Wish | None:
        """What is to become of the upload `name`; None where there is none, or it is none of ours."""
        return _wish_of(_read(folder, _json(name)))

    def discard(self, folder: Folder, name: str) -> None:
        """Remove all of the upload `name`, what it is to become last. Raises OSError."""
        for each in (*files_of(name), _json(name)):
            folder.remove(each)

    def names(self, folder: Folder) -> list[str]:
        """The uploads that are not done, as far as they are called as ours."""
        names = (os.path.splitext(each) for each in folder.names())
        return [name for name, kind in names if kind == ".json" and NAME.fullmatch(name)][:MOST_LISTED]

    def state(self, folder: Folder, name: str, size: int) -> tuple[int, float] | None:
        """How many bytes of the upload `name` are on disk, and when the last of them came, in seconds since 1970; None
        where its files are not ours.
        """
        part, journal = files_of(name)
        try:
            there = folder.status(part)
            descriptor = folder.open_file(journal)
        except OSError:
            return None
        try:
            if there is None or not stat.S_ISREG(there.st_mode):
                return None
            return Journal(descriptor).last(min(size, there.st_size))[1], os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)

    # -- what is done

    def done(self, folder: Folder, name: str) -> Done | None:
        """What became of the upload `name`, if it is done."""
        said: dict[str, Any] = {}
        with contextlib.suppress(OSError), folder.enter(DONE) as kept:
            said = _read(kept, _json(name))
        path, sha256, size = said.get("path"), said.get("sha256"), said.get("size")
        if not (isinstance(path, str) and isinstance(sha256, str) and _SHA256.fullmatch(sha256) and _is_size(size)):
            return None
        with contextlib.suppress(Refused):
            return Done(path="/".join(elements_of(path)), sha256=sha256, size=size)
        return None

    def note(self, folder: Folder, name: str, done: Done) -> None:
        """The upload `name` is done: remember it, and remove its files. Where there is no room for that, it is not
        remembered. Raises OSError.
        """
        with contextlib.suppress(OSError), folder.enter(DONE, make=0o700) as kept:
            kept.write(_json(name), _written(asdict(done)), mode=0o600, owner=None, sync=False)
        self.discard(folder, name)

    def forget(self, folder: Folder, name: str) -> None:
        """Forget what became of the upload `name`. Raises OSError."""
        with contextlib.suppress(FileNotFoundError), folder.enter(DONE) as folder:
            folder.remove(_json(name))

    def tidy(self, folder: Folder, now: float) -> None:
        """Forget what has been done for long, and remove what is left of uploads that have lost one of their files: a
        power cut may do that before anybody is told of them. Raises OSError.
        """
        with contextlib.suppress(FileNotFoundError), folder.enter(DONE) as kept:
            for each in kept.names():
                _remove_older(kept, each, now - KEPT)
        names = folder.names()
        whole = {name for name, each in _ours(names) if {_json(name), *files_of(name)} <= set(names)}
        for name, each in _ours(names):
            if name not in whole:
                _remove_older(folder, each, now - KEPT)


def _ours(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The uploads that files of these `names` are of, each with that file's."""
    for each in names:
        name, _, kind = each.lstrip(".").partition(".")
        if NAME.fullmatch(name) and kind:
            yield name, each


def _remove_older(folder: Folder, name: str, moment: float) -> None:
    """Remove the file `name` if it was last written before `moment`. Raises OSError."""
    status = folder.status(name)
    if status is not None and stat.S_ISREG(status.st_mode) and status.st_mtime < moment:
        folder.remove(name)


def _json(name: str) -> str:
    return f"{name}.json"


def _written(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _read(folder: Folder, name: str) -> dict[str, Any]:
    """The JSON object in the file `name`; {} for anything else."""
    try:
        with os.fdopen(folder.open_file(name), "rb") as file:
            document = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _is_size(size: object) -> TypeGuard[int]:
    return type(size) is int and 0 <= size < 10**18


def _wish_of(said: dict[str, Any]) -> Wish | None:
    size, folder, name, relative = (said.get(key) for key in ("size", "folder", "name", "relative_path"))
    modified = said.get("last_modified")
    if not _is_size(size) or not (modified is None or (type(modified) is int and abs(modified) < 10**18)):
        return None
    if not (isinstance(folder, str) and isinstance(name, str) and isinstance(relative, str)):
        return None
    wish = Wish(size=size, folder=folder, name=name, relative_path=relative, last_modified=modified)
    try:
        name_of(name)
        _ = wish.target
    except Refused:
        return None
    return wish
