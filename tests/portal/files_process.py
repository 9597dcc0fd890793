"""The service `files` of a portal as a process of its own, to be killed, filled up and looked at; and what is sent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from visomaster_host import paths

from tests.conftest import ON_HOST
from tests.portal import rig

RUNNER = """
import sys
from pathlib import Path
from visomaster_host.workspace.routes import routes
from visomaster_host.workspace.server import Server
with Server(routes(Path(sys.argv[1])), Path(sys.argv[2])) as server:
    server.serve_forever()
"""
"""serve_files, which knows its places by itself, and refuses to be root, as tests are."""
WITHIN = 20
"""Seconds for a process to come or go."""
MIB = 1024 * 1024
BUFFERED = MIB // 2
"""Bytes of one connection that HAProxy, Caddy and the kernel may hold while it is cut, and those of heads."""


class Service:
    """The service on the files below `root`, where Caddy looks for it; with words to go `before` its command line."""

    def __init__(self, root: Path, socket_: Path, before: Sequence[str] = ()) -> None:
        self._root, self._socket = root, socket_
        python = (str(paths.SYSTEM_PYTHON), "-s", "-c", RUNNER, str(root), str(socket_))
        self._command = (*before, *python)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it answers afterwards."""
        self._socket.unlink(missing_ok=True)
        for name in ("in", "out"):  # as each start of a host makes them
            (self._root / name).mkdir(parents=True, exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ON_HOST), "PYTHONDONTWRITEBYTECODE": "1"}
        # A group of its own: strace leaves alone what it follows when it is killed itself.
        self.process = subprocess.Popen(
            self._command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        rig.wait_until(self._answers, "the service", WITHIN)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it with a signal."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, number)
            self.process.wait(WITHIN)

    @property
    def peak(self) -> int:
        """The most memory it has had resident so far, bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@contextmanager
def service(portal: rig.Portal, root: Path | None = None, before: Sequence[str] = ()) -> Iterator[Service]:
    """The service of `portal`, on its workspace or on `root`, in the place of the rig's own thread."""
    made = Service(root or portal.folder / "workspace", Path(portal.places.files.removeprefix("unix/")), before)
    made.start()
    try:
        yield made
    finally:
        made.end()


@dataclass(kw_only=True)
class Caddy:
    """A portal's Caddy, to be killed and to be started again."""

    portal: rig.Portal
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it anew, as supervisord would."""
        prepared = self.portal.prepared
        with self.portal.log.open("ab") as log:
            self.process = subprocess.Popen(
                prepared.command, env=prepared.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        rig.wait_until(self._answers, "Caddy", WITHIN)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.portal.get("/health").status == 200
        return False

    def end(self) -> None:
        """kill -9."""
        if self.process is None:
            os.kill(self.portal.processes[0], signal.SIGKILL)
        else:
            self.process.kill()
            self.process.wait(WITHIN)


@contextmanager
def caddy(portal: rig.Portal) -> Iterator[Caddy]:
    """The Caddy of `portal`; what was started anew ends here."""
    made = Caddy(portal=portal)
    try:
        yield made
    finally:
        if made.process:
            made.end()


def content(size: int, seed: int) -> bytes:
    """Bytes that no two seeds share."""
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    """As `sha256sum` prints it."""
    return hashlib.sha256(data).hexdigest()


def files_below(folder: Path) -> Iterator[Path]:
    """The files that a person or the program sees there: what begins with a point is nobody's business."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(Path(entry.path))
            else:
                yield Path(entry.path)


@dataclass(kw_only=True)
class Watch:
    """Looks at a folder all the time: a file that has a name there and is not one of the `whole` is `broken`."""

    folder: Path
    whole: Mapping[int, str]
    """The sha256 of each, by its size."""
    broken: list[str] = field(default_factory=list)
    seen: dict[Path, str] = field(default_factory=dict)

    def look(self) -> None:
        """Once."""
        for path in files_below(self.folder):
            with contextlib.suppress(FileNotFoundError):
                size = path.stat().st_size
                if size not in self.whole:
                    self.broken.append(f"{path.name}: {size} bytes")
                elif path not in self.seen:
                    self.seen[path] = sha256(path.read_bytes())
                    if self.seen[path] != self.whole[size]:
                        self.broken.append(f"{path.name}: other content")


@contextmanager
def watching(folder: Path, *contents: bytes) -> Iterator[Watch]:
    """Watch `folder`, where nothing but whole `contents` may ever have a name. Raises `AssertionError` at the end."""
    watch, ended = Watch(folder=folder, whole={len(one): sha256(one) for one in contents}), threading.Event()

    def look() -> None:
        while not ended.wait(0.002):
            watch.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join(WITHIN)
    watch.look()
    assert watch.broken == []


def moments(size: int, count: int, seed: int) -> list[int]:
    """So many random moments of an upload of `size` bytes: how much of it has passed. Printed, to be tried again."""
    dice = random.Random(seed)
    found = sorted(dice.randrange(size // 50, size * 9 // 10) for _ in range(count))
    print(f"seed {seed}: killed after {found} bytes", file=sys.stderr)
    return found


def free(folder: Path) -> int:
    """Bytes that whoever is not root may still write where `folder` is."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(path: Path, left: int) -> None:
    """Write a file that leaves so many bytes of its file system free."""
    with path.open("wb", buffering=0) as file:
        while (room := free(path.parent) - left) > 0:
            file.write(bytes(min(room, MIB)))
            os.fsync(file.fileno())


def beside(work: Callable[[], object]) -> threading.Event:
    """Do `work` in a thread; what is returned is set when it has succeeded."""
    done = threading.Event()

    def run() -> None:
        work()
        done.set()

    threading.Thread(target=run, daemon=True).start()
    return done
