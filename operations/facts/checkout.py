"""Which source a program on the host was taken from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pyinfra.api import FactBase, StringCommand
from visomaster_host import paths

from operations.as_user import as_user_if_there

_REMOTE = Path(__file__).parent.parent / "remote"
_COMMIT = (_REMOTE / "checkout_commit.sh").read_text(encoding="utf-8")
_PRIVATE = (_REMOTE / "checkout_private.py").read_text(encoding="utf-8")


def private_command(folder: str, *options: str) -> tuple[str, ...]:
    """What a shell runs, and its words, to see what is private in the checkout in `folder`; with `heal` it is not."""
    return ('exec "$@"', str(paths.SYSTEM_PYTHON), "-I", "-c", _PRIVATE, folder, *options)


class CheckoutCommit(FactBase[str]):
    """The commit a git checkout is at, empty when the folder is no complete checkout."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self, path: str, user: str) -> StringCommand:
        return StringCommand(as_user_if_there(user, _COMMIT, path))

    def process(self, output: Iterable[str]) -> str:
        return next(iter(output), "").strip()


class CheckoutIgnores(FactBase[list[str]]):
    """Those of `patterns` of which git takes no notice in a checkout by `.git/info/exclude`; all of them in a plain
    folder, which has nobody to tell."""

    default = list

    def command(self, path: str, patterns: tuple[str, ...], user: str) -> StringCommand:
        plain = 'test -d "$folder" && ! test -d "$folder/.git"'
        named = 'grep -qxF -- "$pattern" "$folder/.git/info/exclude" 2>/dev/null'
        each = f"if {{ {plain}; }} || {named}; then printf '%s\\n' \"$pattern\"; fi"
        return StringCommand(as_user_if_there(user, f"folder=$1\nshift\nfor pattern; do {each}; done", path, *patterns))

    def process(self, output: Iterable[str]) -> list[str]:
        return list(output)


class PrivateFiles(FactBase[list[str]]):
    """What git knows of a checkout and others than its user cannot read: the umask of an older run made it so."""

    default = list

    def command(self, path: str, user: str) -> StringCommand:
        return StringCommand(as_user_if_there(user, *private_command(path)))

    def process(self, output: Iterable[str]) -> list[str]:
        return list(output)
