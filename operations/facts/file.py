"""Single files and folders on the host."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand

from operations.as_user import as_user_if_there
from operations.facts.tree import RemoteFile, RemoteFolder


class FoundFile(FactBase[RemoteFile | None]):
    """The regular file at `path`, as its owner `user` finds it; None where there is none (or a link, a folder)."""

    def command(self, path: str, user: str) -> StringCommand:
        look = 'if test -f "$1" && ! test -L "$1"; then stat -c "%a %U:%G" -- "$1"; sha256sum <"$1"; fi'
        if user == "root":
            return StringCommand(shlex.join(["sh", "-c", look, "found-file", path]))
        return StringCommand(as_user_if_there(user, look, path))

    def process(self, output: Iterable[str]) -> RemoteFile | None:
        attributes, digest = output
        mode, owner = attributes.split(" ", 1)
        return RemoteFile(mode=mode, owner=owner, sha256=digest.split()[0])


class FoundLink(FactBase[str]):
    """Where the link at `path` leads, as `user` finds it; empty where there is none."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str, user: str) -> StringCommand:
        return StringCommand(as_user_if_there(user, 'if test -L "$1"; then readlink -- "$1"; fi', path))

    def process(self, output: Iterable[str]) -> str:
        return next(iter(output), "")


class FoundFolders(FactBase[dict[str, RemoteFolder]]):
    """Those of `paths` that are folders, links to them followed."""

    @staticmethod
    def default() -> dict[str, RemoteFolder]:
        return {}

    def command(self, paths: tuple[str, ...]) -> StringCommand:
        loop = StringCommand("for path in", *(QuoteString(path) for path in paths), "; do")
        return StringCommand(loop, """if test -d "$path"; then stat -L -c '%a %U:%G %n' -- "$path"; fi; done""")

    def process(self, output: Iterable[str]) -> dict[str, RemoteFolder]:
        lines = (line.split(" ", 2) for line in output)
        return {path: RemoteFolder(mode=mode, owner=owner) for mode, owner, path in lines}
