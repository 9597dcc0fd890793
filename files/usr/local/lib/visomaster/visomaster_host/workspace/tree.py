"""The tree of a person's files: its names, and how each of its folders is entered.

A path from outside is a tuple of names, each one element. A folder is entered name by name, links are never followed
(see `beneath`), and what begins with a point is ours or the program's own: it is neither listed nor reached.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from visomaster_host.beneath import Folder
from visomaster_host.workspace.exchange import Refused, refused_by_system

MOST_BYTES = 255
"""Bytes of one name: NAME_MAX of Linux's file systems."""
DEEPEST = 40
"""Folders within one another that a path may name."""

Elements = tuple[str, ...]
"""A path below the tree's root, () for the root itself."""


def name_of(text: str) -> str:
    """`text` as the name of one file or folder. Raises `Refused`."""
    if text in ("", ".", "..") or "/" in text:
        raise Refused(HTTPStatus.BAD_REQUEST, f"name: expected the name of one file or folder, got {text!r}")
    if text.startswith("."):
        raise Refused(HTTPStatus.BAD_REQUEST, f"name: expected one that does not begin with a point, got {text!r}")
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text):
        raise Refused(HTTPStatus.BAD_REQUEST, f"name: expected no control characters, got {text!r}")
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise Refused(HTTPStatus.BAD_REQUEST, f"name: expected UTF-8, got {text!r}") from None
    if length > MOST_BYTES:
        raise Refused(HTTPStatus.BAD_REQUEST, f"name: expected at most {MOST_BYTES} bytes, got {length}")
    return text


def is_shown(name: str) -> bool:
    """Whether something of this name can be reached, and so is listed."""
    if name.isascii() and name.isprintable():  # nearly all: 10,000 are told in some milliseconds
        return not name.startswith(".")
    try:
        return bool(name_of(name))
    except Refused:
        return False


def elements_of(path: str) -> Elements:
    """The names in `path`, as "in/trip/one.mp4"; "" is the root. Raises `Refused`."""
    return checked(path.split("/") if path else ())


def checked(path: Iterable[str]) -> Elements:
    """The names in `path`, each of which is one element. Raises `Refused`."""
    names = tuple(name_of(each) for each in path)
    if len(names) > DEEPEST:
        raise Refused(HTTPStatus.BAD_REQUEST, f"path: expected at most {DEEPEST} folders within one another")
    return names


class Tree:
    """The files below the folder `root`, which is there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, elements: Elements, *, make: bool = False) -> Folder:
        """The folder at `elements`, to be closed by the caller; missing ones are made with `make`. Raises `Refused`
        where there is none, or a link or a file stands in the way.
        """
        folder = Folder.open(self.root)
        try:
            for name in elements:
                inner = folder.enter(name, make=0o755 if make else None)
                folder.close()
                folder = inner
        except OSError as error:
            folder.close()
            raise refused_by_system(error) from None
        return folder

    def above(self, elements: Elements) -> Folder:
        """The folder that the last of `elements` is in, to be closed by the caller. Raises `Refused`."""
        if not elements:
            raise Refused(HTTPStatus.BAD_REQUEST, "path: expected a file or folder, got nothing")
        return self.folder(elements[:-1])

    def path(self, elements: Elements) -> str:
        """The path as a person reads it."""
        return os.path.join(self.root, *elements)
