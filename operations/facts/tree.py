"""What is in a folder on the host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyinfra.api import FactBase, QuoteString, StringCommand


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One regular file on the host: permission bits in octal, `user:group`, content hash."""

    mode: str
    owner: str
    sha256: str


class FolderFiles(FactBase[dict[str, RemoteFile]]):
    """Every regular file below a folder by its path relative to it; compiled Python is left out."""

    @staticmethod
    def default() -> dict[str, RemoteFile]:
        return {}

    def command(self, path: str) -> StringCommand:
        find = "find . -type f ! -name '*.pyc' -printf '%m %u:%g %P\\n'"
        sums = "find . -type f ! -name '*.pyc' -exec sha256sum {} +"
        return StringCommand("if cd", QuoteString(path), "2>/dev/null; then", find, "; echo; ", sums, "; fi")

    def process(self, output: Iterable[str]) -> dict[str, RemoteFile]:
        attributes: dict[str, tuple[str, str]] = {}
        files: dict[str, RemoteFile] = {}
        lines = iter(output)
        for line in lines:
            if not line:
                break
            mode, owner, name = line.split(" ", 2)
            attributes[name] = (mode, owner)
        for line in lines:
            digest, name = line.split("  ./", 1)
            mode, owner = attributes[name]
            files[name] = RemoteFile(mode=mode, owner=owner, sha256=digest)
        return files
