"""Bytes from here to a box and back: rsync over the box's own ssh, which goes on where it was cut off.

A box counts as hostile. It is asked for files by name, alone, into a folder of their own: no links, devices, owners or
folders' attributes, no mode of its choosing; what arrives has no name in a person's folder before its digest is proven.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import re
import resource
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from visomaster_host.text import Told, brief

RSYNC = "rsync"
OLDEST = (3, 1)
"""Since then it tells of the progress of all files together. macOS has another program by that name."""

SILENCE = 60
"""Seconds without a byte after which a line counts as broken."""
LEAST = 1024 * 1024
"""Bytes that ssh, too, may write to a file: it keeps host keys."""
BETWEEN = 5.0
"""Seconds between two lines of progress."""

OPTIONS = (
    # A piece that arrived is kept and built upon, also after kill -9; the digest is compared afterwards.
    *("--inplace", "--partial"),
    *("--from0", "--relative", "--no-implied-dirs", "--times", "--perms", "--chmod=D755,F644"),
    *("--no-recursive", "--no-links", "--no-devices", "--no-specials", "--no-owner", "--no-group"),
    *("--protect-args", f"--timeout={SILENCE}", "--info=progress2,flist0,name0", "--outbuf=L"),
)

BROKEN = frozenset((10, 12, 20, 30, 35, 255))
"""rsync's exit statuses for a line that broke, and ssh's."""
INCOMPLETE = frozenset((23, 24))
"""Some files are not there any more, or could not be read: what did arrive is found by looking."""

_PROGRESS = re.compile(r"\s*([\d,.]+)\s+(\d+)%\s+(\S+)\s+([\d:]+)")
_LONGEST = 4096  # characters of a line


class SyncError(Told):
    """Why the folder could not go along, in one line. What lies on the box stays there."""


class LineBroken(SyncError):
    """The line to the box broke: again goes on where it was."""


class Reached(Protocol):
    """A box that ssh reaches."""

    @property
    def host(self) -> str:
        """Who and where: `root@ADDRESS`."""

    def ssh_command(self) -> list[str]:
        """ssh with all options that reach it, but for `host`."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """From `source` to `target`, one of which is `HOST:FOLDER/`; `user` is what makes a command the program's there."""

    ssh: Sequence[str]
    user: Sequence[str]
    source: str
    target: str


def require_rsync() -> None:
    """Raise `SyncError` where there is no rsync here that can do it."""
    program = shutil.which(RSYNC)
    if program is None:
        raise SyncError("rsync: no such program on this machine: install it (apt install rsync, brew install rsync)")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, errors="replace", check=False).stdout
    found = re.match(r"rsync\s+version v?(\d+)\.(\d+)", said)
    if found is None or tuple(int(number) for number in found.groups()) < OLDEST:
        first = brief(said.split("\n", maxsplit=1)[0], 80)
        wanted = ".".join(str(number) for number in OLDEST)
        raise SyncError(f"rsync: expected version {wanted} or newer on this machine, it says {first!r}")


def carry(
    way: Way,
    paths: Iterable[str],
    largest: int,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Bring `paths`, none above `largest` bytes, from one folder into the other; some may be missing afterwards. Raises
    `LineBroken`, `SyncError`.
    """
    with tempfile.NamedTemporaryFile(prefix="visomaster-") as names:
        names.write(b"".join(b"./" + path.encode() + b"\0" for path in paths))
        names.flush()
        command = [RSYNC, *OPTIONS, f"--max-size={largest}", f"--files-from={names.name}", "-e", shlex.join(way.ssh)]
        command += [f"--rsync-path={shlex.join([*way.user, RSYNC])}", "--", way.source, way.target]
        with _running(command, max(largest, LEAST)) as process:
            said = _said(process, say, clock)
    if process.returncode in BROKEN:
        raise LineBroken(f"the line to the box broke: {said}")
    if process.returncode not in (0, *INCOMPLETE):
        raise SyncError(f"rsync ended with status {process.returncode}: {said}")


@contextlib.contextmanager
def _running(command: Sequence[str], largest: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program that does not outlive what happens here, and writes no file above `largest` bytes: a box may send more
    than it said.
    """
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, largest))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=limit
    ) as process:
        try:
            yield process
            process.wait()
        except BaseException:
            process.terminate()
            raise


def _said(process: subprocess.Popen[bytes], say: Callable[[str], None], clock: Callable[[], float]) -> str:
    """Pass on what rsync says of its progress, now and then; the first of its last others is the reason."""
    others: collections.deque[str] = collections.deque(maxlen=8)
    last = clock()
    for line in _lines(process):
        progress = _PROGRESS.match(line)
        if progress is None:
            others.extend([line] if line.strip() else [])
        elif clock() - last >= BETWEEN:
            last = clock()
            _, part, rate, left = progress.groups()
            say(f"{part} % brought, {rate}, {left} left")
    return brief(next((line for line in others if "error" not in line), others[0] if others else "nothing"), 300)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What a program prints, line by line; one that is written over counts as one."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    rest = b""
    while piece := process.stdout.read1(65536):  # type: ignore[attr-defined]
        *whole, rest = re.split(rb"[\r\n]", rest + piece)
        yield from (line[:_LONGEST].decode(errors="replace") for line in whole)
        rest = rest[:_LONGEST]
    yield rest.decode(errors="replace")
