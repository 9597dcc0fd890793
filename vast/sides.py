"""The two sides of a folder that goes along: the one here, and the one on a box, which is asked over ssh."""

from __future__ import annotations

import inspect
import json
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from visomaster_host import paths, users
from visomaster_host.text import brief
from visomaster_host.workspace.home.saving import ENGINES

from vast import side
from vast.carrying import RSYNC, LineBroken, Reached, SyncError

SLOWEST = 20_000_000
"""Bytes a second that a box's disk gives at least: so long its answer about digests is waited for."""
ANSWERS_WITHIN = 120
"""Seconds, besides."""
LONGEST_ANSWER = 64 * 1024 * 1024
_SHA256 = 64
_END = "from visomaster_host.kept.workspaces import end_program; end_program()"


@dataclass(frozen=True, kw_only=True)
class File:
    """A file: its bytes, and its time in ns since 1970."""

    size: int
    modified: int


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a side has: its files, a line for each thing that is not carried, and the bytes that are free."""

    files: Mapping[str, File]
    left: tuple[str, ...]
    free: int


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What became of files that arrived: the paths that are there now, those that replaced something or were themselves
    kept aside, and why others were refused.
    """

    done: frozenset[str]
    aside: tuple[str, ...]
    refused: Mapping[str, str]


class Side(Protocol):
    """What can be asked of a side."""

    @property
    def called(self) -> str:
        """What a person calls it."""

    def ask(self, call: str, *arguments: Any, size: int = 0) -> Any:
        """The answer of a function of `vast.side`, which may read `size` bytes for it. Raises `SyncError`."""


class Here:
    """The folder on this machine."""

    called = "at home"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ask(self, call: str, *arguments: Any, size: int = 0) -> Any:
        """See `Side`."""
        function: Callable[..., Any] = getattr(side, call)
        try:
            return json.loads(json.dumps(function(str(self.folder), *arguments)))
        except OSError as error:
            raise SyncError(f"{error.filename or self.folder}: {error.strerror}") from None


class OnBox:
    """A folder on a box, as the program's user where the box has that user and lets us be it."""

    called = "on the box"

    def __init__(self, machine: Reached, folder: Path = paths.WORKSPACE) -> None:
        """Look what is there. Raises `SyncError`: it lacks a program; `LineBroken`: it cannot be reached."""
        self.ssh, self.host, self.folder = machine.ssh_command(), machine.host, folder
        self.user: Sequence[str] = ()
        words = f"id -u; id -u {users.DESKTOP} || echo; command -v {RSYNC} || echo; command -v python3 || echo"
        me, theirs, rsync, python, *_ = [*self._run(words, "", ANSWERS_WITHIN).split("\n"), *[""] * 4]
        for program, found in ((RSYNC, rsync), ("python3", python)):
            if not found:
                raise SyncError(f"{program}: no such program on the box: `apt-get install {program}` there")
        if me == "0" and theirs:
            self.user = ("setpriv", "--reuid", users.DESKTOP, "--regid", users.DESKTOP, "--init-groups")

    def ask(self, call: str, *arguments: Any, size: int = 0) -> Any:
        """See `Side`."""
        mark = secrets.token_hex(8)
        question = {"mark": mark, "call": call, "root": str(self.folder), "arguments": arguments}
        program = shlex.join(["env", "LC_ALL=C.UTF-8", *self.user, "python3", "-I", "-c", inspect.getsource(side)])
        said = self._run(program, json.dumps(question), ANSWERS_WITHIN + size / SLOWEST)
        try:
            answer = json.loads(said.split(mark, maxsplit=1)[1])
            if "answer" not in answer:
                raise SyncError(f"the box: {brief(answer['error'], 300)}")
        except (LookupError, TypeError, ValueError):
            raise SyncError(f"the box: expected an answer to {call!r}, got {brief(said.strip(), 200)!r}") from None
        return answer["answer"]

    def begin_anew(self) -> None:
        """End the program, if it runs: it is started anew, and does not write its old state over what was brought.
        Raises `SyncError`.
        """
        program = f"import sys; sys.path.insert(0, {str(paths.PACKAGE.parent)!r}); {_END}"
        self._run(
            f"test ! -d {paths.PACKAGE} || {shlex.join([*self.user, 'python3', '-I', '-c', program])}",
            "",
            ANSWERS_WITHIN,
        )

    def _run(self, command: str, given: str, seconds: float) -> str:
        """What a command prints on the box, behind whatever its login printed. Raises `LineBroken`, `SyncError`."""
        mark = secrets.token_hex(8)
        words = [*self.ssh, "--", self.host, f"echo {mark}; {command}"]
        try:
            done = subprocess.run(words, input=given.encode(), capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise LineBroken(f"the box: no answer within {seconds:.0f} s") from None
        except OSError as error:
            raise SyncError(f"{words[0]}: {error.strerror}") from None
        _, found, said = done.stdout[:LONGEST_ANSWER].decode(errors="replace").partition(f"{mark}\n")
        if done.returncode == 255 or not found:
            reason = done.stderr.decode(errors="replace").strip().split("\n")[-1]
            raise LineBroken(f"the box cannot be reached: {brief(reason, 300) or 'ssh says nothing'}")
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().split("\n")[-1]
            raise SyncError(f"the box: a command ended with status {done.returncode}: {brief(last, 300)}")
        return said


def listed(of: Side) -> Listing:
    """What a side has. A box's answer is taken for what it is: names that could leave the folder are left out."""
    said = of.ask("listing", sorted(ENGINES))
    try:
        files, left = {}, [(str(path), str(why)) for path, why in said["left"]]
        for path, size, modified in said["files"]:
            if why := side.refused(path):
                left.append((path, why))
            elif size >= 0:
                files[path] = File(size=int(size), modified=int(modified))
        return Listing(files=files, left=tuple(_line(path, why) for path, why in left), free=int(said["free"]))
    except (AttributeError, LookupError, TypeError, ValueError):
        raise _odd(of, "its files") from None


def _line(path: str, why: str) -> str:
    """One line about a path."""
    return f"{brief(path, 300)} {brief(why, 100)}"


def digested(of: Side, found: Mapping[str, File]) -> Mapping[str, str | tuple[str, File]]:
    """The digest of each file with what it was then, or why there is none. Raises `SyncError`."""
    said = of.ask("digests", sorted(found), size=sum(file.size for file in found.values())) if found else {}
    try:
        return {path: _digest(said[path]) for path in found}
    except (LookupError, TypeError, ValueError):
        raise _odd(of, "its digests") from None


def _digest(said: Any) -> str | tuple[str, File]:
    if isinstance(said, str):
        return said
    sha256, size, modified = said
    if len(sha256) != _SHA256:
        raise ValueError(sha256)
    return sha256, File(size=int(size), modified=int(modified))


def place(on: Side, arrived: Iterable[tuple[str, str, int, bool]], size: int, stamp: str) -> Placed:
    """Have what has arrived get its name, as `side.place`. Raises `SyncError`."""
    wanted = list(arrived)
    said = on.ask("place", wanted, stamp, size=size)
    try:
        return Placed(
            done=frozenset(said["placed"]),
            aside=tuple(said["aside"]),
            refused={path: str(why) for path, why in said["refused"]},
        )
    except (LookupError, TypeError, ValueError):
        raise _odd(on, "what it did with its files") from None


def written(of: Side) -> list[str]:
    """The files that a program writes to. Raises `SyncError`."""
    said = of.ask("written")
    if not isinstance(said, list) or not all(isinstance(path, str) for path in said):
        raise _odd(of, "what is being written")
    return said


def _odd(of: Side, what: str) -> SyncError:
    return SyncError(f"{of.called}: expected {what}, got something else")
