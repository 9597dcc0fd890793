"""Files and folders on their way to a person as one zip."""

from __future__ import annotations

import os
import socket
import stat
import time
from array import array
from collections.abc import Iterable, Iterator
from functools import partial
from http import HTTPStatus
from io import FileIO

from visomaster_host.beneath import Folder
from visomaster_host.workspace.download import attachment
from visomaster_host.workspace.exchange import Answer, Refused, Request, only, refused_by_system
from visomaster_host.workspace.listing import scanned
from visomaster_host.workspace.stored_zip import StoredZip
from visomaster_host.workspace.tree import Elements, Tree, elements_of, is_shown, name_of

MOST = 100_000
"""Files and folders in one zip: more would take more memory than the service has."""
DEEPEST = 100
"""Folders within one another."""

FRESH = 10
"""Seconds since it was written to within which a file may be written to still."""
LOOKED_AGAIN = 1.5
"""Seconds after which it shows."""

_PIECE = 256 * 1024  # bytes


class Archive:
    """`GET zip?path=out&path=in/a.mp4[&name=results]`."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def answer(self, request: Request) -> Answer:
        """The zip, of which the sizes are fixed now. Raises `Refused`."""
        only(request, "GET", "HEAD")
        asked = [elements_of(path) for path in dict.fromkeys(request.query.get("path", ()))]
        if not asked:
            raise Refused(HTTPStatus.BAD_REQUEST, "path: expected one or more files or folders")
        whole = asked[0][-1] if len(asked) == 1 and asked[0] else "files" if asked[0] else self._tree.root.name
        name = name_of(request.one("name", whole))
        chosen = Chosen(self._tree, asked)
        chosen.require_settled()
        return Answer(
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": attachment(name if name.lower().endswith(".zip") else f"{name}.zip"),
            },
            length=chosen.zip.length,
            send=partial(_send, chosen),
        )


class Chosen:
    """What of a tree was chosen, with all that is in it, as it was found: `zip` is its plan. What cannot be reached
    otherwise (links, hidden names) is left out. Raises `Refused` where something is missing, or there is too much.
    """

    def __init__(self, tree: Tree, asked: Iterable[Elements]) -> None:
        self._tree = tree
        self.zip = StoredZip()
        self._folders: list[Elements] = []
        self._in, self._times = array("I"), array("q")  # of each member: the folder by number, ns since 1970
        self._called: dict[int, str] = {}  # what a member is called in its folder, where not as in the zip
        self._current: tuple[int, Folder] | None = None
        taken: set[str] = set()
        for elements in asked:
            self._add(elements, distinct(elements[-1] if elements else tree.root.name, taken))

    def _add(self, elements: Elements, name: str) -> None:
        if not elements:
            with self._tree.folder(()) as folder:
                self._add_folder(folder, (), name, folder.owner)
            return
        with self._tree.above(elements) as above:
            self._folders.append(elements[:-1])
            status = above.status(elements[-1])
            if status is None:
                raise Refused(HTTPStatus.NOT_FOUND, f"{'/'.join(elements)}: there is nothing of this name")
            if stat.S_ISDIR(status.st_mode):
                with self._entered(above, elements[-1]) as folder:
                    self._add_folder(folder, elements, name, status)
            elif stat.S_ISREG(status.st_mode):
                self._member(len(self._folders) - 1, elements[-1], name, status)
            else:
                raise Refused(HTTPStatus.FORBIDDEN, f"{'/'.join(elements)}: expected a file or folder")

    def _add_folder(self, folder: Folder, elements: Elements, name: str, status: os.stat_result) -> None:
        if len(elements) > DEEPEST:
            raise Refused(HTTPStatus.CONFLICT, f"{folder.path}: more than {DEEPEST} folders within one another")
        self._folders.append(elements)
        number = len(self._folders) - 1
        self._member(number, "", f"{name}/", status)
        taken: set[str] = set()
        for each in sorted(_shown(folder)):
            found, called = folder.status(each), f"{name}/{distinct(each, taken)}"
            if found is None:
                continue
            if stat.S_ISDIR(found.st_mode):
                with self._entered(folder, each) as inner:
                    self._add_folder(inner, (*elements, each), called, found)
            elif stat.S_ISREG(found.st_mode):
                self._member(number, each, called, found)

    def _entered(self, folder: Folder, name: str) -> Folder:
        try:
            return folder.enter(name)
        except OSError as error:
            raise refused_by_system(error) from None

    def _member(self, folder: int, called: str, name: str, status: os.stat_result) -> None:
        if len(self.zip) >= MOST:
            raise Refused(HTTPStatus.CONFLICT, f"more than {MOST} files and folders: choose fewer of them")
        if called and name.rpartition("/")[2] != called:
            self._called[len(self.zip)] = called
        self._in.append(folder)
        self._times.append(status.st_mtime_ns)
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self.zip.add(name, size=size, modified=status.st_mtime)

    def require_settled(self) -> None:
        """Raise `Refused` where somebody is writing to a file: the zip would end at it, maybe after hours. What was
        written to just now is looked at twice.
        """
        since = time.time_ns() - FRESH * 10**9
        fresh = [index for index, written in enumerate(self._times) if written > since and self.zip.size(index)]
        if not fresh:
            return
        time.sleep(LOOKED_AGAIN)
        try:
            for index in fresh:
                status = self._folder(self._in[index]).status(self._name(index))
                if status is None or status.st_mtime_ns != self._times[index]:
                    path = "/".join((*self._folders[self._in[index]], self._name(index)))
                    raise Refused(
                        HTTPStatus.CONFLICT, f"{path}: is being written to: wait for its end, or leave it out"
                    )
        finally:
            self.close()

    def _name(self, index: int) -> str:
        """What a file is called in its folder."""
        return self._called.get(index) or self.zip.name(index).rpartition("/")[2]

    def content(self, index: int) -> Iterator[memoryview]:
        """The pieces of file `index`. Raises ConnectionAbortedError where it is not the one that was found, or is
        written to; `Refused`, OSError.
        """
        called = self._name(index)
        buffer = memoryview(bytearray(min(_PIECE, self.zip.size(index) + 1)))
        with FileIO(self._folder(self._in[index]).open_file(called)) as file:
            while got := file.readinto(buffer):
                yield buffer[:got]
            if os.fstat(file.fileno()).st_mtime_ns != self._times[index]:
                raise ConnectionAbortedError(f"{called}: was written to meanwhile")

    def _folder(self, number: int) -> Folder:
        """The folder by its number, kept open for its other files."""
        if self._current is None or self._current[0] != number:
            self.close()
            self._current = number, self._tree.folder(self._folders[number])
        return self._current[1]

    def close(self) -> None:
        """Close what is open."""
        if self._current is not None:
            self._current[1].close()
            self._current = None


def distinct(name: str, taken: set[str]) -> str:
    """`name` as it is called in a zip, other than those `taken`, to which it is added. A backslash, which Windows takes
    for the end of a folder's name, is none there.
    """
    plain = name.replace("\\", "_")
    stem, point, suffix = plain.rpartition(".")
    found, number = plain, 1
    while found in taken:
        number += 1
        found = f"{stem} ({number}){point}{suffix}" if stem else f"{plain} ({number})"
    taken.add(found)
    return found


def _shown(folder: Folder) -> list[str]:
    with scanned(folder) as found:
        return [each.name for each in found if is_shown(each.name)]


def _send(chosen: Chosen, connection: socket.socket) -> None:
    """Raises what `Chosen.content` raises: what was sent until then is shorter than was said, and so no zip."""
    try:
        chosen.zip.write(connection.sendall, chosen.content)
    finally:
        chosen.close()
