"""How the runs of a service ended: kept when the next one begins, told as long as the host is not started anew.

supervisord starts a program again within a second, and nobody would see that it ended. So the process that becomes the
program writes down which one it is, and before that how the last one ended: supervisord's log says with which status,
the kernel's count whether it was for memory, the program's own log why. A program that ended and was not started again
is found out by whoever asks: its process is gone.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from visomaster_host import memory, paths
from visomaster_host.causes import cause_of
from visomaster_host.files import ROOT, ensure_directory, write_atomic
from visomaster_host.last_words import last_words, shown
from visomaster_host.service import Service

_TAIL = 256 * 1024  # bytes of supervisord's log that are looked at
_LARGEST = 64 * 1024  # bytes of a file of ours that are read
_NAME = re.compile(r"[a-z][a-z0-9_]*\.json")
_KILLED = "SIGKILL"
_ASKED = ("exit status 0", "SIGTERM", "SIGINT", "SIGHUP")
"""How a program ends that somebody wanted to end: by its own window, or from the desktop's menu."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Ends of one kind: how many, and when and how the last of them was; a time of 0 is not known."""

    count: int = 0
    at: float = 0.0
    how: str = ""
    words: str = ""

    def one_more(self, *, at: float, how: str, words: str) -> Ends:
        """These and another one."""
        return Ends(count=self.count + 1, at=at, how=how, words=words)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The last run of the service `name`: process `pid` that began at the kernel's tick `born`, and the service's
    `logs`, the one for errors first, each with its size then. `once` marks a program whose work is done when it ends.

    `counter` is the file that counts what is killed for memory, `counted` what it said then, `base` what it said when
    the host was started; `limit` is in bytes. `killed` and `ended` are how the runs before it ended, for memory and
    otherwise.
    """

    name: str
    pid: int
    born: int
    logs: tuple[tuple[str, int], ...]
    once: bool = False
    counter: str = ""
    counted: int = 0
    base: int = 0
    limit: int = 0
    killed: Ends = field(default_factory=Ends)
    ended: Ends = field(default_factory=Ends)


def begin(service: Service) -> str:
    """Write down that this process becomes `service`; returns one line on how the run before it ended, empty when it
    was the first or was asked to end. Only root can; a host that cannot be written goes on without (OSError).
    """
    before = read(service.name)
    told, killed, ended = "", Ends(), Ends()
    if before is not None:
        now = with_end(before, at=time.time(), asked=False)
        killed, ended = now.killed, now.ended
        told = tell(now) if now != before else ""
    counter = memory.counter()
    counted = (memory.killed(counter) or 0) if counter else 0
    run = Run(
        name=service.name,
        pid=os.getpid(),
        born=_born(os.getpid()) or 0,
        logs=tuple((str(path), _size(path)) for path in (service.error_log, service.log) if path),
        once=service.once,
        counter=str(counter or ""),
        counted=counted,
        base=counted if before is None else before.base,
        limit=(memory.limit(counter) or 0) if counter else 0,
        killed=killed,
        ended=ended,
    )
    ensure_directory(paths.RUNS, mode=0o755)
    write_atomic(_file(service.name), json.dumps(asdict(run)).encode(), mode=0o644, owner=ROOT)
    return told


def told_of(name: str, *, missing: bool) -> str:
    """One line on how runs of the service `name` ended since the host was started, empty when none did.

    What somebody asked to end, and what it took a program that runs once to do its work, is told only when this work is
    `missing`.
    """
    run = read(name)
    if run is None:
        return ""
    now = with_end(run, at=0.0, asked=missing)
    told = tell(now if missing or not run.once else replace(now, ended=Ends()))
    given_up = missing and now != run and _given_up(name)
    return f"{told}; it is not started again by itself: supervisorctl start {name}" if given_up else told


@dataclass(frozen=True, kw_only=True)
class End:
    """How a program that is missed ended last, `at` what time, 0 for unknown, and how often: `how` is "exit status 1",
    "SIGSEGV", "for memory" or empty, `words` the line that says why, `cause` what helps, `log` the file that has these
    words or the next best. `again` is whether it is started again by itself.
    """

    count: int
    at: float
    how: str
    words: str
    cause: str
    log: str
    again: bool


def end_of(name: str) -> End | None:
    """How the service `name`, which is missed, ended last; None where it did not."""
    run = read(name)
    if run is None:
        return None
    now = with_end(run, at=0.0, asked=True)
    killed, ended = now.killed, now.ended
    if not (killed.count or ended.count):
        return None
    for_memory = killed != run.killed or not ended.count or (ended == run.ended and killed.at > ended.at)
    limit = f"it may use {now.limit / (1 << 20):.0f} MiB of memory" if now.limit else "the machine's memory was full"
    return End(
        count=killed.count + ended.count,
        at=(killed if for_memory else ended).at,
        how="for memory" if for_memory else ended.how,
        words="" if for_memory else ended.words,
        cause=limit if for_memory else _cause(now),
        log=_log_with("" if for_memory else ended.words, now),
        again=now == run or not _given_up(name),
    )


def _log_with(words: str, run: Run) -> str:
    """The log of `run` that has these `words`, else the first one with anything in it, else the last."""
    files = [Path(path) for path, _ in run.logs]
    having = (file for file in files if words and words == last_words([(file, 0)]))
    written = (file for file in files if _size(file))
    return str(next(having, next(written, files[-1]))) if files else ""


def notices() -> list[str]:
    """What `told_of` says of each service that runs again, or should."""
    try:
        names = sorted(name for name in os.listdir(paths.RUNS) if _NAME.fullmatch(name))
    except OSError:
        return []
    return [told for name in names if (told := told_of(name.partition(".")[0], missing=False))]


def read(name: str) -> Run | None:
    """What was written down of the service `name`; None when nothing was, or nothing of use."""
    try:
        with _file(name).open("rb") as file:
            facts = json.loads(file.read(_LARGEST))
        killed, ended = Ends(**facts.pop("killed")), Ends(**facts.pop("ended"))
        logs = tuple((str(path), int(size)) for path, size in facts.pop("logs"))
        return Run(**facts, killed=killed, ended=ended, logs=logs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def with_end(run: Run, *, at: float, asked: bool) -> Run:
    """`run` with its own end counted, if it ended at all, and was not `asked` to or those count as well."""
    if _born(run.pid) == run.born:
        return run
    how = _how(run)
    if how == "stopped" or (how in _ASKED and not asked):
        return run
    if how in (_KILLED, "") and _for_memory(run):
        return replace(run, killed=run.killed.one_more(at=at, how=how, words=""))
    if not (how or asked):
        return run  # nobody says how: it may as well have been asked to
    words = last_words([(Path(path), size) for path, size in run.logs])
    return replace(run, ended=run.ended.one_more(at=at, how=how, words=words))


def tell(run: Run) -> str:
    """One line on the ends that `run` knows of; empty when there are none."""
    limit = f" (memory limit {run.limit / (1 << 20):.0f} MiB)" if run.limit else ""
    said = [
        f"was killed for memory{_times(run.killed)}{limit}" if run.killed.count else "",
        _other_ends(run) if run.ended.count else "",
    ]
    return " and ".join(f"{run.name} {what}" for what in said if what)


def _other_ends(run: Run) -> str:
    how, words, count = run.ended.how, run.ended.words, run.ended.count
    times = f"ended {count} times, last" if count > 1 else "ended"
    way = "" if not how else f" by {how}" if how.startswith("SIG") else f" with {how}"
    at = f" at {_clock(run.ended.at)}" if run.ended.at else ""
    cause = _cause(run)
    return f"{times}{way}{at}{f': {words}' if words else ''}{f' ({cause})' if cause else ''}"


def _cause(run: Run) -> str:
    # Without a count of the kernel's it may have been for memory.
    short = "the kernel does so when memory is short" if run.ended.how == _KILLED and not run.counter else ""
    return cause_of(run.ended.words) or short


def _times(ends: Ends) -> str:
    at = f" at {_clock(ends.at)}" if ends.at else ""
    if ends.count == 1:
        return at
    return f" {ends.count} times{', last' if at else ''}{at}"


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(seconds))


def _how(run: Run) -> str:
    """How supervisord's log says that `run` ended: "exit status 1", "SIGSEGV", "stopped"; empty when it does not."""
    name = re.escape(run.name)
    spawned = re.compile(rf" spawned: '{name}' with pid {run.pid}$")
    over = re.compile(rf" (stopped|exited): {name} \((?:terminated by )?([\w ]+)")
    lines = _log_of_supervisord()
    begun = max((number for number, line in enumerate(lines) if spawned.search(line)), default=-1)
    # Where its beginning was rotated away, the last end that is told is its own.
    found = [match for line in lines[begun + 1 :] if (match := over.search(line))]
    if not found:
        return ""
    first = found[0] if begun >= 0 else found[-1]
    return "stopped" if first[1] == "stopped" else shown(first[2].strip())


def _given_up(name: str) -> bool:
    """Whether supervisord starts the service `name` no more: it writes so behind the program's last end."""
    ends = [line for line in _log_of_supervisord() if re.search(rf" (?:exited|spawned|gave up): '?{name}\b", line)]
    return bool(ends) and " gave up: " in ends[-1]


def _log_of_supervisord() -> list[str]:
    try:
        with paths.SUPERVISORD_LOG.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read(_TAIL).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _for_memory(run: Run) -> bool:
    """Whether the kernel has killed for memory since `run` began, more than is known of the other services."""
    now = memory.killed(Path(run.counter)) if run.counter else None
    if now is None or now <= run.counted:
        return False
    known = list(_all())
    base = min((each.base for each in known), default=run.base)
    return now - base > sum(each.killed.count for each in known)


def _all() -> Iterator[Run]:
    try:
        names = os.listdir(paths.RUNS)
    except OSError:
        return
    for name in filter(_NAME.fullmatch, names):
        if (found := read(name.partition(".")[0])) is not None:
            yield found


def _born(pid: int) -> int | None:
    """The kernel's tick at which the process `pid` began; None when it is gone. One whose status nobody has asked for
    is not: supervisord has not read its last words yet.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _file(name: str) -> Path:
    return paths.RUNS / f"{name}.json"
