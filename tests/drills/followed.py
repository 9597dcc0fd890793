"""Which of root's system calls a hostile user could have led astray: the path element that they could exchange.

A folder is the user's when they may write in it. What lies in such a folder they can exchange for a link at any moment,
so a call by path is safe only where it is told to follow none, and only for the last element. A descriptor holds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.drills.tracing import Call, joined, unquoted
from tests.e2e.machine import Container

PATH = r'(?:(?P<at{0}>AT_FDCWD|\d+)(?:<(?P<base{0}>[^"]*?)>)?, )?(?P<path{0}>"(?:[^"\\]|\\.)*")'
ONE, TWO = PATH.format(1), f"{PATH.format(1)}, {PATH.format(2)}"
LINKED = rf'"(?:[^"\\]|\\.)*", {PATH.format(1)}'
ADDRESS = r'(?:.*)sun_path=(?P<path1>"(?:[^"\\]|\\.)*")'

NEVER = (
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
)
NEVER += ("symlink", "symlinkat", "lchown", "lsetxattr", "lremovexattr", "lstat", "lgetxattr", "llistxattr", "bind")
NEVER += ("readlink", "readlinkat")
"""Calls that never follow a link which is the last element."""

LOOKS = (
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "statfs",
)
LOOKS += ("getxattr", "lgetxattr", "listxattr", "llistxattr", "inotify_add_watch")
RUNS = ("execve", "execveat")
READS = ("chdir", "connect", "chroot")
OPENS = ("open", "openat", "openat2", "creat")
READERS = ("sha256sum", "tar", "cat", "cp", "git", "grep", "find", "stat", "install")
"""Programs to which code is a file like any other."""
LOADED = re.compile(r"\.(py|pyc|pth|so(\.[0-9.]+)?)$")
STICKY = 0o1000


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The container's folders a user may write in, by path their mode; its links by path where they lead."""

    writable: dict[str, int]
    links: dict[str, str]
    users: frozenset[str]
    """What belongs to the user in a folder with the sticky bit."""
    present: frozenset[str]
    """What others than the user had in the folders with the sticky bit before anything was started."""


@dataclass(frozen=True, kw_only=True)
class Offence:
    """A call and the element of its path that the user could exchange for a link which the call would follow."""

    call: Call
    kind: str
    path: str
    element: str

    @property
    def line(self) -> str:
        """For people; the same for calls that differ in numbers and in what lies far below the element alone."""
        place = self.path if self.path.startswith(self.element) else f"{self.path} by {self.element}"
        rest = place.removeprefix(self.element).strip("/")
        place = f"{self.element}/{rest.split('/')[0]}" if "/" not in rest else f"{self.element}/**"
        return f"{self.kind} {self.call.program} {self.call.name} {re.sub(r'[0-9]{3,}', 'N', place.rstrip('/'))}"


PRUNE = ("find", "/", "(", "-path", "/proc", "-o", "-path", "/sys", ")", "-prune", "-o")


def tree_of(box: Container, user: str, present: frozenset[str]) -> Tree:
    """What `user` may write in the running `box`; `present` is of before anything was started, see `in_sticky`."""
    may = ("-user", user, "-o", "-group", user, "-perm", "-020", "-o", "-perm", "-002")
    folders = box.output(*PRUNE, "-type", "d", "(", *may, ")", "-printf", "%m\t%p\n")
    links = box.output(*PRUNE, "-type", "l", "-printf", "%p\t%l\n")
    return Tree(
        writable={path: int(mode, 8) for mode, path in (line.split("\t") for line in folders.splitlines())},
        links=dict(line.split("\t", 1) for line in links.splitlines()),
        users=in_sticky(box, "-user", user),
        present=present,
    )


def in_sticky(box: Container, *whose: str) -> frozenset[str]:
    """What lies in the folders of `box` where anybody may make a file, but not remove another one's."""
    found = box.output(*PRUNE, "-type", "d", "-perm", "-1002", "-print").splitlines()
    return frozenset(box.output("find", *found, "-mindepth", "1", "-maxdepth", "1", *whose).splitlines())


@dataclass(kw_only=True)
class Judge:
    """Judges calls in their order: what root made for itself in a sticky folder stays root's."""

    tree: Tree
    made: set[str] = field(default_factory=set)
    touched: Counter[str] = field(default_factory=Counter)
    """Whatever of the user's a call of root went through or to, safely or not, and how often."""

    def offences(self, calls: Iterable[Call]) -> Iterator[Offence]:
        """The calls of root that could have been led astray, and files of the user's that root runs."""
        for call in calls:
            if call.uid != 0:
                continue
            for base, path in paths_of(call):
                yield from self._judged(call, base, path)
            self._note(call)

    def _judged(self, call: Call, base: str, path: str) -> Iterator[Offence]:
        kind = kind_of(call, path)
        for element, last in self.elements(base, path):
            self.touched[element] += 1
            if kind in ("runs", "loads") or not (stays(call) or (last and follows_none(call))):
                yield Offence(call=call, kind=kind, path=joined(base, path).replace("/./", "/"), element=element)
                return

    def elements(self, base: str, path: str) -> Iterator[tuple[str, bool]]:
        """Each element of `path` that the user could exchange, and whether it is the last. `base` is where a relative
        path begins: a descriptor, or the folder a process stands in, both of which hold."""
        where, steps = "/" if path.startswith("/") else base, 40
        words = [word for word in path.split("/") if word not in ("", ".")]
        while words and steps:
            word, steps = words.pop(0), steps - 1
            if word == "..":
                if self._is_users(joined(where, "x")):
                    yield where, False  # a folder that is moved has another one above it
                where = parent(where)
                continue
            where = joined(where, word)
            if self._is_users(where):
                yield where, not words and not path.endswith("/")
            elif where in self.tree.links:
                target = self.tree.links[where]
                words = [part for part in target.split("/") if part not in ("", ".")] + words
                where = "/" if target.startswith("/") else parent(where)

    def _is_users(self, path: str) -> bool:
        """Whether the user may put something else at `path`: by the nearest folder above it in which they may write."""
        above = parent(path)
        while above != "/" and above not in self.tree.writable:
            above = parent(above)
        if above == "/":
            return False
        if not self.tree.writable[above] & STICKY:
            return True
        first = joined(above, path[len(above) :].strip("/").split("/")[0])
        return first in self.tree.users or not (first in self.made or first in self.tree.present)

    def _note(self, call: Call) -> None:
        exclusive = call.name in OPENS and "O_EXCL" in call.arguments
        if call.succeeded and (exclusive or call.name in ("mkdir", "mkdirat", "symlink", "symlinkat", "bind")):
            self.made.update(joined(base, path) for base, path in paths_of(call))


def parent(path: str) -> str:
    """The folder that `path` lies in."""
    return path.rstrip("/").rpartition("/")[0] or "/"


def pattern_of(name: str) -> str:
    """How strace writes the arguments of a call that are paths."""
    if name in ("rename", "renameat", "renameat2", "link", "linkat"):
        return TWO
    if name in ("symlink", "symlinkat"):
        return LINKED
    return ADDRESS if name in ("bind", "connect") else ONE


def paths_of(call: Call) -> Iterator[tuple[str, str]]:
    """The paths that `call` names, each with the folder at which it begins. None for a call by descriptor alone."""
    seen = re.match(pattern_of(call.name), call.arguments)
    if seen is None:
        return
    named = seen.groupdict()
    for number in ("1", "2") if "path2" in named else ("1",):
        path, base = unquoted(named[f"path{number}"]), named.get(f"base{number}") or call.folder
        magic = re.match(r"/(?:proc/[^/]+/fd|dev/fd)/\d+(?:/(?P<rest>.*))?$", path)
        if path and not (magic and not magic["rest"]):
            yield base, path


def stays(call: Call) -> bool:
    """Whether `call` refuses every link of its path, or all that lead out of the folder at which it begins."""
    return call.name == "openat2" and re.search(r"RESOLVE_(NO_SYMLINKS|BENEATH)", call.arguments) is not None


def follows_none(call: Call) -> bool:
    """Whether `call` does not follow a link which is the last element of its path."""
    flags = call.arguments
    if call.name in OPENS:
        return "O_NOFOLLOW" in flags or "O_EXCL" in flags
    if call.name == "linkat":
        return "AT_SYMLINK_FOLLOW" not in flags
    return call.name in NEVER or "AT_SYMLINK_NOFOLLOW" in flags or "IN_DONT_FOLLOW" in flags


def kind_of(call: Call, path: str) -> str:
    """What could come of it: `changes`, `runs`, `loads` (code), `reads` or `looks`."""
    if call.name in RUNS:
        return "runs"
    if call.name in LOOKS:
        return "looks"
    if call.name in READS:
        return "reads"
    if call.name in OPENS and not re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", call.arguments) and call.name != "creat":
        code = LOADED.search(path) and "O_DIRECTORY" not in call.arguments and call.program not in READERS
        return "loads" if code else "reads"
    return "changes"


SHOWN = 12
"""Places that are shown of one program."""


def listed(found: Iterable[tuple[Offence, str]]) -> str:
    """Offences, each with when it was, for people: a program in a line, then where it went."""
    groups: dict[tuple[str, str], list[tuple[Offence, str]]] = {}
    for offence, phase in found:
        groups.setdefault((offence.kind, offence.call.program), []).append((offence, phase))
    lines = []
    for (kind, program), group in sorted(groups.items()):
        calls = sorted({offence.call.name for offence, _ in group})
        when = Counter(phase for _, phase in group)
        lines.append(
            f"{kind.upper():8} {program}  ({', '.join(calls)})  in {', '.join(f'{n} x{k}' for n, k in when.items())}"
        )
        places = Counter(offence.line.split(" ")[-1] for offence, _ in group)
        lines += [f"{count:12} {place}" for place, count in sorted(places.items())[:SHOWN]]
        lines += [f"{'…':>12} {len(places)} places in all"] if len(places) > SHOWN else []
    return "\n".join(lines)
