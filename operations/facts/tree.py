"""What is in a folder on the host."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyinfra.api import FactBase, QuoteString, StringCommand

from operations.as_user import as_user_if_there


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One regular file on the host: permission bits in octal, `user:group`, content hash."""

    mode: str
    owner: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class RemoteFolder:
    """A folder on the host: permission bits in octal, `user:group`."""

    mode: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class RemoteTree:
    """What is in a folder, by paths relative to it; the folder itself is `.`. `links` are of any kind."""

    files: Mapping[str, RemoteFile] = field(default_factory=dict)
    folders: Mapping[str, RemoteFolder] = field(default_factory=dict)
    links: frozenset[str] = frozenset()


class FoundTree(FactBase[RemoteTree]):
    """Every folder, link and regular file below a folder, as its owner `user` finds them; no compiled Python."""

    @staticmethod
    def default() -> RemoteTree:
        return RemoteTree()

    def command(self, path: str, user: str) -> StringCommand:
        # A name may hold a line break, and then say anything.
        ours = "! -name '*.pyc' ! -name __pycache__ ! -path '*\n*'"
        find = f"find . '(' -type d -o -type f -o -type l ')' {ours} -printf '%y %m %u:%g %p\\n'"
        sums = f"find . -type f {ours} -exec sha256sum {{}} +"
        look = f'if cd "$1" 2>/dev/null; then {find}; echo; {sums}; fi'
        if user == "root":
            return StringCommand(shlex.join(["sh", "-c", look, "found-tree", path]))
        return StringCommand(as_user_if_there(user, look, path))

    def process(self, output: Iterable[str]) -> RemoteTree:
        attributes: dict[str, tuple[str, str]] = {}
        files: dict[str, RemoteFile] = {}
        folders: dict[str, RemoteFolder] = {}
        links: set[str] = set()
        lines = iter(output)
        for line in lines:
            if not line:
                break
            kind, mode, owner, path = line.split(" ", 3)
            name = path.removeprefix("./")
            if kind == "d":
                folders[name] = RemoteFolder(mode=mode, owner=owner)
            elif kind == "l":
                links.add(name)
            else:
                attributes[name] = (mode, owner)
        for line in lines:
            digest, _, name = line.partition("  ./")
            if name in attributes:  # one with a backslash is written otherwise
                mode, owner = attributes[name]
                files[name] = RemoteFile(mode=mode, owner=owner, sha256=digest)
        return RemoteTree(files=files, folders=folders, links=frozenset(links))


class CopiedFiles(FactBase[dict[str, str]]):
    """The files that the last copy of a folder brought, by name with their sha256, as root's list at `path` has them;
    empty where there is none."""

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def command(self, path: str) -> StringCommand:
        return StringCommand("if test -f", QuoteString(path), "; then cat --", QuoteString(path), "; fi")

    def process(self, output: Iterable[str]) -> dict[str, str]:
        lines = (line.partition("  ") for line in output)
        return {name: digest for digest, _, name in lines if name}
