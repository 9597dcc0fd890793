"""Text files and folders, each by one question and, where they differ, one command.

pyinfra's own `files.put` asks three times for a file, and sends it over another protocol with round trips of its own.
Far from a box, those were half of what a run that changes nothing waited for.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.facts.files import FileContents
from pyinfra.operations.util.files import generate_color_diff

from operations.facts.file import FoundFile, FoundFolders, RemoteFolder
from operations.facts.tree import RemoteFile
from operations.stream import streamed
from spec.text import printable


@operation()
def written(text: str, dest: str, user: str, group: str, mode: str) -> Generator[FunctionCommand]:
    """Have the file `dest` say `text`, owned by `user` and `group`, with the permission bits `mode` (octal).

    The folder must be there. A file that is being read is never seen half-written. A last line break that is missing is
    added: pyinfra would, on its way to the host. `--diff` shows what changes.
    """
    text = text if text.endswith("\n") else f"{text}\n"
    wanted = RemoteFile(mode=mode, owner=f"{user}:{group}", sha256=hashlib.sha256(text.encode()).hexdigest())
    if host.get_fact(FoundFile, path=dest) == wanted:
        host.noop(f"{dest} is up to date")
        return
    if host.state.config.DIFF:
        found = [printable(line) for line in host.get_fact(FileContents, path=dest) or []]
        for line in generate_color_diff(found, text.splitlines()):
            logger.info(f"  {line}")
    yield streamed(write_command(dest, user, group, mode), stdin=text)


def write_command(dest: str, user: str, group: str, mode: str) -> str:
    """The shell command that makes standard input the content of `dest`."""
    new, target = shlex.quote(f"{dest}.new"), shlex.quote(dest)
    # The file is there with its owner and mode before anything is in it.
    create = shlex.join(["install", "-o", user, "-g", group, "-m", mode, "/dev/null", f"{dest}.new"])
    return f"{create} && cat >{new} && mv -T {new} {target}"


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
        yield StringCommand(shlex.join(["install", "-d", "-o", owner, "-g", owner, "-m", mode, path]))
