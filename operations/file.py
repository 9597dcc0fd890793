"""Text files and folders, each by one question and, where they differ, one command.

pyinfra's own `files.put` asks three times for a file, and sends it over another protocol with round trips of its own.
Far from a box, those were half of what a run that changes nothing waited for.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Generator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.facts.files import FileContents
from pyinfra.operations.util.files import generate_color_diff
from visomaster_host.text import printable

from operations.as_user import as_user, folder_command, in_roots_folder
from operations.facts.file import FoundFile, FoundFolders, FoundLink
from operations.facts.tree import RemoteFile, RemoteFolder
from operations.stream import streamed


@operation()
def written(text: str, dest: str, user: str, group: str, mode: str) -> Generator[FunctionCommand]:
    """Have the file `dest` say `text`, owned by `user` and `group`, with the permission bits `mode` (octal).

    The folder must be there, and be root's alone; a file of somebody else's is written by them. One that is being read
    is never seen half-written. A last line break that is missing is added: pyinfra would, on its way to the host.
    `--diff` shows what changes of root's.
    """
    text = text if text.endswith("\n") else f"{text}\n"
    wanted = RemoteFile(mode=mode, owner=f"{user}:{group}", sha256=hashlib.sha256(text.encode()).hexdigest())
    if host.get_fact(FoundFile, path=dest, user=user) == wanted:
        host.noop(f"{dest} is up to date")
        return
    if host.state.config.DIFF and user == "root":
        found = [printable(line) for line in host.get_fact(FileContents, path=dest) or []]
        for line in generate_color_diff(found, text.splitlines()):
            logger.info(f"  {line}")
    yield streamed(write_command(dest, user, group, mode), stdin=text)


def write_command(dest: str, user: str, group: str, mode: str) -> str:
    """The shell command that makes standard input the content of `dest`."""
    where = PurePosixPath(dest)
    if user == "root":
        # The file is there with its owner and mode before anything is in it.
        create = f"install -o root -g {shlex.quote(group)} -m {shlex.quote(mode)} /dev/null"
        return in_roots_folder(str(where.parent), f'{create} "./$1.new"\n{_FILL}', where.name)
    create = f"install -m {shlex.quote(mode)} /dev/null"
    return as_user(user, f'cd -- "$2"\n{create} "./$1.new"\n{_FILL}', where.name, str(where.parent))


_FILL = 'cat >"./$1.new"\nmv -T -- "./$1.new" "./$1"'


@operation()
def linked(path: str, target: str, user: str) -> Generator[StringCommand]:
    """Have a link at `path`, in a folder of `user`'s, lead to `target`; what stood there goes, but no folder. It is
    they who make it."""
    if host.get_fact(FoundLink, path=path, user=user) == target:
        host.noop(f"{path} leads to {target}")
        return
    where = PurePosixPath(path)
    script = 'cd -- "$1"\nln -sfn -- "$3" ".$2.new"\nmv -T -- ".$2.new" "$2"'
    yield StringCommand(as_user(user, script, str(where.parent), where.name, target))


def rendered(template: Path, **values: Any) -> str:
    """The Jinja2 `template` with `values`; a name without a value is an error."""
    environment = jinja2.Environment(  # noqa: S701 - configuration files, no pages
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(template.read_text(encoding="utf-8")).render(**values)


@operation()
def folders(owners: Mapping[str, str], mode: str) -> Generator[StringCommand]:
    """Have the folders that are the keys of `owners`, each owned by its user and that user's group, with `mode`."""
    found = host.get_fact(FoundFolders, paths=tuple(owners))
    wrong = {
        path: owner
        for path, owner in owners.items()
        if found.get(path) != RemoteFolder(mode=mode, owner=f"{owner}:{owner}")
    }
    if not wrong:
        host.noop(f"{len(owners)} folders are there")
        return
    for path, owner in wrong.items():
        yield StringCommand(folder_command(path, owner, mode))
