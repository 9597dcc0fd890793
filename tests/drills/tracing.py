"""The system calls that name a file, made by a container's processes, from strace on this machine; and as whom.

strace enters the container and becomes the parent of all that is traced, so that the kernel stops a process at the
calls of interest alone (`--seccomp-bpf`): a desktop starts no slower for being watched.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.machine import Container, docker

WHO = "setuid,setreuid,setresuid,setfsuid"
BIRTHS = "clone,clone3,fork,vfork"
CALLS = f"%file,{BIRTHS},{WHO},fchdir,bind,connect"
ENDS_WITHIN = 20
"""Seconds in which strace has written everything after the last process it follows is gone."""

LINE = re.compile(r"(?P<pid>\d+)<(?P<comm>.*?)>\s+(?P<when>\d+\.\d+) (?P<rest>.*)")
RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\)\s+= (?P<result>\?|-?\d+|0x[0-9a-f]+)(?P<more>.*)")
CHILD = re.compile(r"/\* (\d+) in strace's PID NS \*/")
UNFINISHED = "<unfinished ...>"


@dataclass(kw_only=True)
class Process:
    """What is known of a process at some moment: `uid` is the effective one, which the file system goes by."""

    uid: int = 0
    folder: str = "/"
    program: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One system call: when it began (seconds since the epoch), of which program, with which arguments (strace's)."""

    when: float
    uid: int
    program: str
    folder: str
    name: str
    arguments: str
    result: str

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was asked for."""
        return not self.result.startswith(("-", "?"))


@contextmanager
def traced(box: Container, log: Path, *command: str) -> Iterator[None]:
    """`command` running in `box` under strace, and all that it starts, until the box is removed; see `calls_of`."""
    process = docker("inspect", "--format", "{{.State.Pid}}", box.name)
    options = ("--seccomp-bpf", "-f", "-ttt", "-y", "--decode-pids=comm,pidns", "-s", "256", "-e", "signal=none")
    entered = ("nsenter", "--target", process, "--mount", "--pid", "--net", "--ipc", "--uts", "--", *command)
    words = ("strace", *options, "-e", f"trace={CALLS}", "-o", str(log), *entered)
    with log.with_suffix(".err").open("wb") as errors:
        clean = {"PATH": os.environ["PATH"]}  # a shell inside would look for this machine's folder, PWD
        tracer = subprocess.Popen(words, cwd="/", env=clean, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
    try:
        yield
    finally:
        docker("rm", "--force", "--volumes", box.name)  # whatever is traced ends with it, then strace
        tracer.wait(ENDS_WITHIN)


@dataclass(kw_only=True)
class Begun:
    """A call as strace writes it in two parts when another process comes between."""

    pid: int
    when: float
    comm: str
    text: str


def whole(lines: Iterable[str]) -> list[Begun]:
    """The calls in the order in which they began, each in one piece."""
    found: list[Begun] = []
    open_: dict[int, Begun] = {}
    for line in lines:
        seen = LINE.match(line)
        if seen is None:
            continue
        pid, rest = int(seen["pid"]), seen["rest"]
        resumed = RESUMED.match(rest)
        if resumed and pid in open_:
            open_.pop(pid).text += rest[resumed.end() :]
            continue
        begun = Begun(pid=pid, when=float(seen["when"]), comm=seen["comm"], text=rest)
        found.append(begun)
        if rest.endswith(UNFINISHED):
            begun.text = rest.removesuffix(UNFINISHED)
            open_[pid] = begun
    return found


@dataclass(kw_only=True)
class Reader:
    """Goes through a trace and knows of each process who it is."""

    processes: dict[int, Process] = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> Iterator[Call]:
        """The calls that name files."""
        for begun in whole(lines):
            process = self.processes.setdefault(begun.pid, Process(program=begun.comm))
            seen = CALL.match(begun.text)
            if seen is None:
                continue
            name, arguments, done = seen["name"], seen["arguments"], not seen["result"].startswith(("-", "?"))
            if name in BIRTHS.split(","):
                self._born(process, begun)
            elif name in WHO.split(","):
                self._became(process, name, arguments, done)
            else:
                stood = re.match(r"AT_FDCWD<(.*?)>", arguments)
                process.folder = stood[1] if stood else process.folder
                yield self._call(process, begun, seen)
                self._moved(process, name, arguments, done)

    def _call(self, process: Process, begun: Begun, seen: re.Match[str]) -> Call:
        return Call(
            when=begun.when,
            uid=process.uid,
            program=process.program or begun.comm,
            folder=process.folder,
            name=seen["name"],
            arguments=seen["arguments"],
            result=seen["result"],
        )

    def _born(self, parent: Process, begun: Begun) -> None:
        child = CHILD.search(begun.text) or re.search(r"\) += (\d+)", begun.text)
        if child and child[1] != "0":
            self.processes[int(child[1])] = Process(uid=parent.uid, folder=parent.folder, program=parent.program)

    @staticmethod
    def _became(process: Process, name: str, arguments: str, done: bool) -> None:
        numbers = [int(word) for word in re.findall(r"-?\d+", arguments)]
        wanted = numbers[0] if name in ("setuid", "setfsuid") else numbers[1]
        if done and wanted != -1:
            process.uid = wanted

    @staticmethod
    def _moved(process: Process, name: str, arguments: str, done: bool) -> None:
        if name in ("execve", "execveat") and done:
            process.program = program_of(arguments) or process.program
        elif name == "chdir" and done:
            process.folder = joined(process.folder, unquoted(arguments))
        elif name == "fchdir" and done:
            process.folder = re.sub(r"^\d+<(.*)>$", r"\1", arguments)


def program_of(arguments: str) -> str:
    """A name for a program by its arguments: the first that is no interpreter and no option."""
    found = re.search(r"\[(.*?)\](\.\.\.)?,", arguments)
    words = [unquoted(word) for word in re.findall(r'"(?:[^"\\]|\\.)*"', found[1] if found else "")]
    names = [Path(word).name for word in words if word and not word.startswith("-") and not re.search(r"\s", word)]
    interpreters = ("sh", "bash", "python3", "python")
    return " ".join(names[: 2 if names and names[0] in interpreters else 1])


def joined(folder: str, path: str) -> str:
    """`path` as seen from `folder`."""
    return path if path.startswith("/") else f"{folder.rstrip('/')}/{path}"


def unquoted(text: str) -> str:
    """The first string in strace's `text`, without its quotes and escapes."""
    found = re.search(r'"((?:[^"\\]|\\.)*)"', text)
    return found[1].encode("latin-1", "replace").decode("unicode_escape") if found else ""


def calls_of(log: Path) -> list[Call]:
    """The calls of a finished trace."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return list(Reader().read(lines))
