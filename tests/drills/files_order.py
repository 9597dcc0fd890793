"""What a process did to its files, and what it said when, from strace: what is said to be kept is on the disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

WRITES = ("write", "pwrite64", "writev", "pwritev", "sendfile", "splice", "copy_file_range", "ftruncate")
SYNCS = ("fsync", "fdatasync")
NAMES = ("link", "linkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat")
CALLS = (*WRITES, *SYNCS, *NAMES, "openat", "sendto", "sendmsg")
STRACE = ("strace", "-f", "-y", "-s", "64", "-e", "signal=none", "-e", f"trace={','.join(CALLS)}", "-o")
"""The beginning of a command line; the log's path comes next, then the program."""

LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
DESCRIPTOR = re.compile(r"(?:\d+|AT_FDCWD)<(?P<path>[^>]*)>(?:, \"(?P<name>[^\"]*)\")?")
UNFINISHED, RESUMED = " <unfinished ...>", re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")


@dataclass(frozen=True, kw_only=True)
class Done:
    """A system call that succeeded: the numbers of the log's lines where it began and where it was over."""

    begun: int
    over: int
    name: str
    arguments: str

    @property
    def path(self) -> str:
        """What its first descriptor is."""
        found = DESCRIPTOR.search(self.arguments)
        return found["path"] if found else ""

    @property
    def targets(self) -> list[str]:
        """The paths that it names by a folder's descriptor and a name."""
        found = [one for one in DESCRIPTOR.finditer(self.arguments) if one["name"] is not None]
        return [str(PurePosixPath(one["path"]) / one["name"]) for one in found]

    @property
    def target(self) -> str:
        """The path that it makes: the last one."""
        return self.targets[-1] if self.targets else ""


def calls(lines: Iterable[str]) -> Iterator[Done]:
    """The calls of a log that succeeded, in the order in which they were over."""
    open_: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        if not (found := LINE.match(line.rstrip())):
            continue
        pid, text, begun = found["pid"], found["rest"], number
        if text.endswith(UNFINISHED):
            open_[pid] = number, text.removesuffix(UNFINISHED)
            continue
        if resumed := RESUMED.match(text):
            begun, first = open_.pop(pid, (number, ""))
            text = first + resumed["rest"]
        if (call := CALL.match(text)) and int(call["result"]) >= 0:
            yield Done(begun=begun, over=number, name=call["name"], arguments=call["arguments"])


@dataclass(kw_only=True)
class Disk:
    """What of the files below `root` would be lost with the power: `unsaved`, by path, and why. What is below `aside`
    is nobody's promise.
    """

    root: str
    aside: str
    unsaved: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def saw(self, call: Done) -> None:
        """Take note of one call."""
        if call.name in SYNCS:
            self.unsaved.pop(call.path, None)
        elif call.name in WRITES and self._ours(call.path):
            self.unsaved[call.path] = call.name
        elif self._ours(call.target) and self._makes(call):
            self.unsaved[str(PurePosixPath(call.target).parent)] = f"{call.name} {PurePosixPath(call.target).name}"
            self.known.add(call.target)
            if "rename" in call.name and (why := self.unsaved.pop(call.targets[0], None)):
                self.unsaved[call.target] = why

    def _makes(self, call: Done) -> bool:
        return call.name in NAMES or ("O_CREAT" in call.arguments and call.target not in self.known)

    def _ours(self, path: str) -> bool:
        return path.startswith(f"{self.root}/") and path != self.aside and not path.startswith(f"{self.aside}/")


def said(call: Done, status: int) -> bool:
    """Whether it is the beginning of an answer with this status."""
    return f"HTTP/1.1 {status} " in call.arguments


def promises(log: Path, root: Path, aside: Path, status: int) -> list[dict[str, str]]:
    """For each answer with this `status`, what of the files below `root`, but for those below `aside`, was not on the
    disk when it was begun.
    """
    disk, found = Disk(root=str(root), aside=str(aside)), []
    with log.open(encoding="utf-8", errors="replace") as lines:
        done = list(calls(lines))
    for moment in sorted(done, key=lambda one: one.over):
        if said(moment, status):
            late = [one for one in done if one.begun < moment.begun < one.over and one.name in SYNCS]
            found.append({**disk.unsaved, **{one.path: "still being written" for one in late}})
        disk.saw(moment)
    return found
