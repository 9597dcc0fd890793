"""Single files and folders on the host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyinfra.api import FactBase, QuoteString, StringCommand

from operations.facts.tree import RemoteFile


class FoundFile(FactBase[RemoteFile | None]):
    """The regular file at `path`; None where there is none (or a link, a folder)."""

    def command(self, path: str) -> StringCommand:
        file = QuoteString(path)
        return StringCommand(
            *("if test -f", file, "&& ! test -L", file, "; then"),
            *("stat -c '%a %U:%G' --", file, "; sha256sum <", file, "; fi"),
        )

    def process(self, output: Iterable[str]) -> RemoteFile | None:
        attributes, digest = output
        mode, owner = attributes.split(" ", 1)
        return RemoteFile(mode=mode, owner=owner, sha256=digest.split()[0])


@dataclass(frozen=True, kw_only=True)
class RemoteFolder:
    """A folder on the host: permission bits in octal, `user:group`."""

    mode: str
    owner: str


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
