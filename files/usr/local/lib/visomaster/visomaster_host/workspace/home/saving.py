"""What the program keeps, and what it made, as one zip. Every file is read once; the document with their digests is the
zip's last member.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from io import FileIO

from visomaster_host.beneath import Folder
from visomaster_host.host import Host
from visomaster_host.refusals import refusal
from visomaster_host.text import Told
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.home import manifest
from visomaster_host.workspace.home.manifest import OUT, STATE, Kept, Manifest
from visomaster_host.workspace.stored_zip import StoredZip
from visomaster_host.workspace.tree import DEEPEST, Elements, Tree, name_of

ENGINES = frozenset(("tensorrt-engines",))
"""What applications call their folder of TensorRT's engines, which are large, and of one card."""
QUIET = 10
"""Seconds for which nobody has written to a result that is taken."""
TRIES = 3
"""How often a file that changes while it is read is read."""
MOST_TRIES = 100
"""How often it is begun anew for all files together."""

_PIECE = 256 * 1024  # bytes


class Changed(Told):
    """A file is not what it was when its size was told, or cannot be read; its text is one line that names it."""

    def __init__(self, path: str, why: object) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


@dataclass(frozen=True)
class File:
    """A file to be taken: its path below /workspace, and what tells whether it changed."""

    path: str
    size: int
    modified: int
    """In ns since 1970."""

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> File:
        """The file at `path` with this status."""
        return cls(path, status.st_size, max(0, status.st_mtime_ns))


@dataclass
class Found:
    """What there is to take: `files`, `folders` that hold nothing, and a line for each thing that is `left` out."""

    files: list[File] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to take: the state of all applications, but for the folders `without` in those of each, and the results in
    `out`. `application` and `commit` are what this host runs.
    """

    application: str
    commit: str
    without: frozenset[str] = ENGINES
    out: bool = False

    @classmethod
    def of(cls, host: Host, *, engines: bool = False, out: bool = False) -> Wanted:
        """What to take of `host`, with TensorRT's `engines` or without."""
        without = frozenset() if engines else ENGINES | {entry.path for entry in host.state if entry.by}
        return cls(application=host.application, commit=host.commit, without=without, out=out)


def take(
    tree: Tree, wanted: Wanted, output: Callable[[bytes | memoryview], object], again: Callable[[], object]
) -> Found:
    """Give the zip of what is `wanted` to `output`; returns what is in it, and is not. Where a file changes meanwhile,
    `again` has to undo all that was given, and it begins anew; a file that does so `TRIES` times is left out. Raises
    `Refused`, and what `output` raises.
    """
    without: dict[str, str] = {}
    tries = Counter[str]()
    for _ in range(MOST_TRIES):
        found = look(tree, wanted, without)
        try:
            Archive(tree, found, wanted).write(output)
            return found
        except Changed as changed:
            tries[changed.path] += 1
            if tries[changed.path] >= TRIES:
                without[changed.path] = str(changed)
        again()
    raise Refused(HTTPStatus.CONFLICT, f"{tree.root}: too much changes meanwhile: close the program, save once more")


def look(tree: Tree, wanted: Wanted, without: Mapping[str, str] | None = None) -> Found:
    """What of `wanted` is there, but for the files `without`, each with its line. Raises `Refused` where it is more
    than one zip may hold.
    """
    found = Found()
    for top in (STATE, OUT) if wanted.out else (STATE,):
        try:
            folder = tree.folder((top,))
        except Refused:
            continue
        with folder:
            _look(folder, (top,), wanted, found)
    left = [file for file in found.files if file.path in (without or ())]
    found.left += [(without or {})[file.path] for file in left]
    found.files = [file for file in found.files if file not in left]
    if len(found.files) + len(found.folders) >= manifest.MOST_FILES:
        told = f"{tree.root}: expected fewer than {manifest.MOST_FILES} files to take home: move some elsewhere"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, told)
    return found


def _look(folder: Folder, above: Elements, wanted: Wanted, found: Found) -> None:
    """Add what is in `folder`, which is at `above`. Hidden names are the host's own and the program's."""
    names = [name for name in sorted(folder.names()) if not name.startswith(".")]
    if not names and len(above) > 1:
        found.folders.append("/".join(above))
    for name in names:
        path = "/".join((*above, name))
        if above[0] == STATE and "/".join((*above[2:], name)) in wanted.without and len(above) > 1:
            continue
        try:
            _look_at(folder, name, (*above, name_of(name)), wanted, found)
        except (Refused, OSError) as error:
            found.left.append(f"{path}: {refusal(error) if isinstance(error, OSError) else error}")


def _look_at(folder: Folder, name: str, elements: Elements, wanted: Wanted, found: Found) -> None:
    status, path = folder.status(name), "/".join(elements)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        if len(elements) >= DEEPEST:
            found.left.append(f"{path}: more than {DEEPEST} folders within one another")
            return
        with folder.enter(name) as inner:
            _look(inner, elements, wanted, found)
    elif not stat.S_ISREG(status.st_mode):
        found.left.append(f"{path}: is a link or no file")
    elif elements[0] == OUT and time.time() - status.st_mtime < QUIET:
        found.left.append(f"{path}: is being written")
    else:
        found.files.append(File.of(path, status))


class Archive:
    """The zip of what was `found`; `length` is its size in bytes."""

    def __init__(self, tree: Tree, found: Found, wanted: Wanted) -> None:
        self._tree, self._found, self._wanted = tree, found, wanted
        self._saved = time.time()
        self._current: tuple[str, Folder] | None = None
        self._kept = {file.path: Kept(file.size, "0" * 64, file.modified // 1_000_000) for file in found.files}
        self._zip = StoredZip()
        for path in found.folders:
            self._zip.add(f"{path}/", modified=self._saved)
        for file in found.files:
            self._zip.add(file.path, size=file.size, modified=file.modified / 1e9)
        self._zip.add(manifest.NAME, size=len(self._document()), modified=self._saved)
        self.length = self._zip.length

    @property
    def name(self) -> str:
        """What the zip is called, by which it is known again."""
        when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._saved))
        return f"visomaster-state-{self._wanted.application}-{when}.zip"

    def _document(self) -> bytes:
        return manifest.encode(
            Manifest(
                application=self._wanted.application,
                commit=self._wanted.commit,
                saved=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._saved)),
                files=self._kept,
                left_out=tuple(self._found.left),
            )
        )

    def write(self, output: Callable[[bytes | memoryview], object]) -> None:
        """Give the zip to `output`. Raises `Changed`, and what `output` raises: what was given until then is no zip."""
        try:
            self._zip.write(output, self._content)
        finally:
            self._leave()

    def _folder(self, path: str) -> Folder:
        """The folder at `path`, kept open for its other files. Raises `Refused`."""
        if self._current is None or self._current[0] != path:
            self._leave()
            self._current = path, self._tree.folder(tuple(path.split("/")))
        return self._current[1]

    def _leave(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None

    def _content(self, index: int) -> Iterator[memoryview]:
        number = index - len(self._found.folders)
        if number == len(self._found.files):
            yield memoryview(self._document())
            return
        file, digest = self._found.files[number], hashlib.sha256()
        for piece in self._read(file):
            digest.update(piece)
            yield piece
        self._kept[file.path] = replace(self._kept[file.path], sha256=digest.hexdigest())

    def _read(self, file: File) -> Iterator[memoryview]:
        """The content of `file`. Raises `Changed`."""
        above, _, name = file.path.rpartition("/")
        buffer, left = memoryview(bytearray(min(_PIECE, file.size + 1))), file.size
        try:
            with FileIO(self._folder(above).open_file(name)) as content:
                while (got := content.readinto(buffer)) and got <= left:
                    left -= got
                    yield buffer[:got]
                now = File.of(file.path, os.fstat(content.fileno()))
        except (Refused, OSError) as error:
            raise Changed(file.path, refusal(error) if isinstance(error, OSError) else error) from None
        if now != file:
            raise Changed(file.path, "changes while it is read")
