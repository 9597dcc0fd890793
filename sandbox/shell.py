"""Running commands and saying what is done, one line per step."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from visomaster_host.colours import Colour, coloured, is_terminal
from visomaster_host.text import Told, brief, printable

LABEL = "org.visomaster.sandbox"
INPUTS_LABEL = f"{LABEL}.inputs"

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = REPOSITORY / ".cache" / "sandbox"


TICK = 0.5
"""Seconds between two looks of a line that changes."""

_OUTCOME = {True: Colour.RED, False: Colour.GREEN}


class SandboxError(Told, RuntimeError):
    """A step failed; the message is one line for the person at the terminal, `last_lines` are of what it said."""

    last_lines: Sequence[str] = ()


def say(text: str) -> None:
    """Print one line about what is going on (standard error: standard output is for results)."""
    print(printable(f"sandbox: {text}"), file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Print one line about what went wrong, red on a terminal."""
    print(coloured(f"sandbox: error: {text}", Colour.RED, sys.stderr), file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[Callable[[str], None]]:
    """Announce `text`, count the seconds while the body runs (on a terminal), end the line with them. The body is given
    a function that says what happens now: on a terminal in the place of what was said before.
    """
    text, started = printable(text), time.monotonic()
    finished = threading.Event()
    terminal = is_terminal(sys.stderr)
    details = [""]

    def now(detail: str) -> None:
        details[0] = printable(detail)
        if not terminal:
            print(f" {printable(detail)} …", end="", file=sys.stderr, flush=True)

    def tick() -> None:
        while not finished.wait(TICK):
            line = f"sandbox: {text} … {time.monotonic() - started:.0f} s  {details[0]}".rstrip()
            width = max(20, shutil.get_terminal_size().columns - 1)
            print(f"\r\x1b[K{brief(line, width)}", end="", file=sys.stderr, flush=True)

    print(f"sandbox: {text} …", end="", file=sys.stderr, flush=True)
    ticker = threading.Thread(target=tick, daemon=True)
    if terminal:
        ticker.start()
    failed = True
    try:
        yield now
        failed = False
    finally:
        finished.set()
        if terminal:
            ticker.join()
        start = f"\r\x1b[Ksandbox: {text} …" if terminal else ""
        took = f"{'failed after ' if failed else ''}{time.monotonic() - started:.1f} s"
        print(f"{start} {coloured(took, _OUTCOME[failed], sys.stderr)}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> str:
    """Run `command` without a terminal and return its standard output.

    `environment` is added to the process's own. All output is kept in `log` when given.
    Raises SandboxError with a line of output when it fails, is missing or takes over `timeout` seconds.
    """
    words = [os.fspath(word) for word in command]
    name = " ".join(words[:3])
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except FileNotFoundError as error:
        raise SandboxError(f"{words[0]}: no such program") from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"{name}: no end after {timeout:.0f} s") from error
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout + done.stderr)
    if done.returncode:
        reason = _reason(done.stderr or done.stdout)
        raise SandboxError(f"{name}: exit status {done.returncode}: {reason}" + (f" (see {log})" if log else ""))
    return done.stdout


def succeeds(command: Sequence[str | os.PathLike[str]], *, timeout: float) -> bool:
    """Tell whether `command` exits 0 within `timeout` seconds."""
    try:
        run(command, timeout=timeout)
    except SandboxError:
        return False
    return True


def as_root(command: Sequence[str]) -> list[str]:
    """Return `command` so that it runs as root.

    Raises SandboxError when this is neither root nor a user who may sudo without a password prompt.
    """
    if os.geteuid() == 0:
        return list(command)
    if not succeeds(["sudo", "-n", "true"], timeout=10):
        raise SandboxError(f"needs root for `{' '.join(command[:3])}`: run as root, or run `sudo -v` first")
    return ["sudo", "-n", *command]


def apt_install(packages: Sequence[str]) -> None:
    """Install distribution packages, without their recommendations."""
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    log = CACHE / "apt.log"
    with step(f"installing {', '.join(packages)}"):
        run(as_root([*apt, "update"]), timeout=600, log=log)
        run(as_root([*apt, "install", "-y", "--no-install-recommends", *packages]), timeout=1200, log=log)


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the lock `name` of this checkout: two runs at once do the work once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fingerprint(*parts: str | bytes | Path) -> str:
    """Return a short hash of `parts`: texts, and files and folders (names, modes and contents)."""
    digest = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            digest.update(len(piece).to_bytes(8, "big") + piece)
    return digest.hexdigest()[:16]


def _pieces(part: str | bytes | Path) -> Iterator[bytes]:
    match part:
        case str():
            yield part.encode()
        case bytes():
            yield part
        case Path() if part.is_dir():
            for path in source_files(part):
                yield f"{path.relative_to(part)} {path.stat().st_mode & 0o111:o}".encode()
                yield path.read_bytes()
        case Path():
            yield part.read_bytes()


def source_files(folder: Path) -> list[Path]:
    """Return the files under `folder` in a fixed order, without Python's caches."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _reason(output: str) -> str:
    """Pick the line of `output` that says why: the last one that names an error, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if line.lower().startswith(("e:", "error", "fatal", "sandbox:"))]
    return (telling or lines or ["no output"])[-1]
