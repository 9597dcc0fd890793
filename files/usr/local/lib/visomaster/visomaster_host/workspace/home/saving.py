"""What the program keeps, and what it made, as one zip. Every file is read once; the document with their digests is the
zip's last entry.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from visomaster_host.beneath import Folder
from visomaster_host.refusals import refusal
from visomaster_host.text import Told
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.home import manifest
from visomaster_host.workspace.home.manifest import OUT, STATE, Kept, Manifest
from visomaster_host.workspace.home.writer import Writer
from visomaster_host.workspace.tree import DEEPEST, Elements, Tree, name_of

ENGINES = "tensorrt-engines"
"""What an application calls its folder of TensorRT's engines: large, and of one card."""
QUIET = 10
"""Seconds for which nobody has written to a result that is taken."""
TRIES = 3
"""How often a file that changes while it is read is read."""

_PIECE = 1024 * 1024


class Changed(Told):
    """A file is not what it was when its size was told, or cannot be read; its text is one line that names it."""


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
        return cls(path, status.st_size, status.st_mtime_ns)


@dataclass
class Found:
    """What there is to take: `files`, `folders` that hold nothing, and a line for each thing that is `left` out."""

    files: list[File] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to take: the state of all applications, with TensorRT's `engines` or without, and the results in `out`."""

    application: str
    commit: str
    engines: bool = False
    out: bool = False


def look(tree: Tree, wanted: Wanted) -> Found:
    """What of `wanted` is there. Raises `Refused` where it is more than one zip may hold."""
    found = Found()
    for top in (STATE, OUT) if wanted.out else (STATE,):
        try:
            folder = tree.folder((top,))
        except Refused:
            continue
        with folder:
            _look(folder, (top,), wanted, found)
    if len(found.files) + len(found.folders) >= manifest.MOST_FILES:
        told = f"{tree.root}: expected fewer than {manifest.MOST_FILES} files to take home: move some elsewhere"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, told)
    return found


def _look(folder: Folder, above: Elements, wanted: Wanted, found: Found) -> None:
    """Add what is in `folder`, which is at `above`. Hidden names are the host's own and the program's."""
    names = [name for name in sorted(_names(folder)) if not name.startswith(".")]
    if not names and len(above) > 1:
        found.folders.append("/".join(above))
    for name in names:
        path = "/".join((*above, name))
        if name == ENGINES and above[0] == STATE and len(above) == 2 and not wanted.engines:
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


def _names(folder: Folder) -> list[str]:
    with folder.reopened() as descriptor:
        return os.listdir(descriptor)


class Archive:
    """The zip of what was `found`; `length` is its size in bytes, as long as nothing changes."""

    def __init__(self, tree: Tree, found: Found, wanted: Wanted) -> None:
        self._tree, self._found, self._wanted = tree, found, wanted
        self._saved = time.time()
        self.length = self._length()

    @property
    def name(self) -> str:
        """What the zip is called, by which it is known again."""
        when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._saved))
        return f"visomaster-state-{self._wanted.application}-{when}.zip"

    def _length(self) -> int:
        writer, kept = Writer(), {}
        for path in self._found.folders:
            writer.begin(f"{path}/", 0, self._saved)
            writer.end(0)
        for file in self._found.files:
            writer.begin(file.path, file.size, 0)
            writer.end(0)
            kept[file.path] = Kept(file.size, "0" * 64, _milliseconds(file))
        writer.begin(manifest.NAME, len(self._document(kept)), 0)
        writer.end(0)
        writer.finish()
        return writer.offset

    def _document(self, kept: dict[str, Kept]) -> bytes:
        saved = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._saved))
        about = {"application": self._wanted.application, "commit": self._wanted.commit}
        return manifest.encode(Manifest(**about, saved=saved, files=kept, left_out=tuple(self._found.left)))

    def stream(self, write: Callable[[bytes], object], again: Callable[[int], object] | None = None) -> None:
        """Give the zip to `write`. Where a file changes, `again` goes back to an offset of what was written and the
        file is taken once more, or left out with one more line in `found.left`. Without it: raises `Changed`. Raises
        OSError of `write`.
        """
        writer, kept = Writer(), {}
        for path in self._found.folders:
            write(writer.begin(f"{path}/", 0, self._saved) + writer.end(0))
        for file in self._found.files:
            if again is None:
                kept[file.path] = self._take(writer, file, write)
            elif (one := self._try(writer, file, write, again)) is not None:
                kept[file.path] = one
        document = self._document(kept)
        write(writer.begin(manifest.NAME, len(document), self._saved) + document + writer.end(zlib.crc32(document)))
        write(writer.finish())

    def _try(
        self, writer: Writer, file: File, write: Callable[[bytes], object], again: Callable[[int], object]
    ) -> Kept | None:
        why, at = "", writer.offset
        for _ in range(TRIES):
            try:
                return self._take(writer, self._now(file), write)
            except Changed as changed:
                why = str(changed)
            writer.offset = at
            again(at)
        self._found.left.append(why)
        return None

    def _now(self, file: File) -> File:
        with _changing(file):
            folder, name = self._folder(file)
            with folder:
                status = folder.status(name)
            if status is None:
                raise Changed(f"{file.path}: was removed meanwhile")
            return File.of(file.path, status)

    def _folder(self, file: File) -> tuple[Folder, str]:
        *above, name = file.path.split("/")
        return self._tree.folder(tuple(above)), name

    def _take(self, writer: Writer, file: File, write: Callable[[bytes], object]) -> Kept:
        """Give `file` to `write`. Raises `Changed`, and OSError of `write`."""
        digest, crc = hashlib.sha256(), 0
        pieces = self._read(file)
        next(pieces)  # it is there
        write(writer.begin(file.path, file.size, file.modified / 1e9))
        for piece in pieces:
            write(piece)
            digest.update(piece)
            crc = zlib.crc32(piece, crc)
        write(writer.end(crc))
        return Kept(file.size, digest.hexdigest(), _milliseconds(file))

    def _read(self, file: File) -> Iterator[bytes]:
        """The content of `file`, after an empty piece as soon as it is open. Raises `Changed`."""
        with _changing(file):
            folder, name = self._folder(file)
            with folder:
                descriptor = folder.open_file(name)
        with os.fdopen(descriptor, "rb", buffering=0) as content:
            left = file.size
            yield b""
            while left:
                with _changing(file):
                    piece = content.read(min(_PIECE, left))
                if not piece:
                    break
                left -= len(piece)
                yield piece
            if left or File.of(file.path, os.fstat(descriptor)) != file:
                raise Changed(f"{file.path}: changes while it is read")


@contextmanager
def _changing(file: File) -> Iterator[None]:
    """What cannot be read any more has changed."""
    try:
        yield
    except (Refused, OSError) as error:
        why = refusal(error) if isinstance(error, OSError) else error
        raise Changed(f"{file.path}: {why}") from None


def _milliseconds(file: File) -> int:
    return max(0, file.modified // 1_000_000)
