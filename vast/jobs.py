"""Programs that a rental waits for and may have to end: each in a session of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from visomaster_host.text import brief

_LONGEST_END = 64 * 1024
"""Bytes at the end of a log that are looked through."""

_ENDS_WITHIN = 5.0
"""Seconds between asking a program to end and ending it."""


class Job:
    """A running program; `log` has all that it prints."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Watch `process`."""
        self._process = process
        self.log = log

    def status(self) -> int | None:
        """Its exit status, or nothing while it runs."""
        return self._process.poll()

    def lines(self) -> list[str]:
        """The last lines it printed, as they may be shown, without empty ones."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _LONGEST_END))
            text = file.read(_LONGEST_END).decode("utf-8", errors="replace")
            return [brief(line.strip(), 300) for line in text.replace("\r", "\n").split("\n") if line.strip()]
        return []

    def last(self) -> str:
        """The last of them."""
        return ([*self.lines()] or [""])[-1]

    def end(self) -> None:
        """End it with all that it started; does nothing when it has ended."""
        if self._process.poll() is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_ENDS_WITHIN)
                return


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[Job]:
    """`command` with nothing to read, its output in `log`; ended when the block is left. Raises `OSError`.

    It does not get the account's key, and no Ctrl-C of the terminal: who waits for it ends it.
    """
    given = {name: value for name, value in os.environ.items() if name != "VAST_API_KEY"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**given, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    job = Job(process, log)
    try:
        yield job
    finally:
        job.end()
