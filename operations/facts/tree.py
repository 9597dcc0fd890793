"""What is in a folder on the host."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from pyinfra.api import FactBase, StringCommand

from operations.as_user import as_user_if_there


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One regular file on the host: permission bits in octal, `user:group`, content hash."""

    mode: str
    owner: str
    sha256: str


class FolderFiles(FactBase[dict[str, RemoteFile]]):
    """Every regular file below a folder by its path relative to it, as its owner `user` finds them; compiled Python is
    left out."""

    @staticmethod
    def default() -> dict[str, RemoteFile]:
        return {}

    def command(self, path: str, user: str) -> StringCommand:
        find = "find . -type f ! -name '*.pyc' -printf '%m %u:%g %P\\n'"
        sums = "find . -type f ! -name '*.pyc' -exec sha256sum {} +"
        look = f'if cd "$1" 2>/dev/null; then {find}; echo; {sums}; fi'
        if user == "root":
            return StringCommand(shlex.join(["sh", "-c", look, "folder-files", path]))
        return StringCommand(as_user_if_there(user, look, path))

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
