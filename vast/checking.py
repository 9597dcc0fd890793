"""The host tests on a rented box, as `make verify` runs them: only one that has passed them is handed over."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from visomaster_host.text import brief

from spec.here import ROOT

_FAILED, _FOUND = re.compile(r"FAILED  (.+)"), re.compile(r" +found:  (.+)")
_LONGEST = 300  # characters of one


class Configured(Protocol):
    """A box that an ssh config names."""

    @property
    def name(self) -> str:
        """What it is called there."""

    @property
    def config(self) -> Path:
        """That config."""


def command(machine: Configured, *, gpu: bool) -> list[str]:
    """The words that run the host tests on `machine`, in the repository's folder; with `gpu` one must have a GPU."""
    hosts = (f"--hosts=paramiko://{machine.name}", f"--ssh-config={machine.config}")
    report = ("-qq", "-rN", "--tb=no", "--no-header", "-p", "no:cacheprovider")
    return [sys.executable, "-m", "pytest", "tests/host", *hosts, "--gpu" if gpu else "--no-gpu", *report]


def failures(status: int, said: Iterable[str]) -> tuple[str, ...]:
    """What failed of tests that ended with `status` and printed these lines, a line each; empty where all passed."""
    found: list[str] = []
    last = ""
    for line in said:
        if match := _FAILED.match(line):
            found.append(brief(match[1], _LONGEST))
        elif found and (match := _FOUND.match(line)):
            found[-1] = brief(f"{found[-1]}: {match[1]}", _LONGEST)
        last = line.strip() or last
    if status and not found:  # they could not be run
        return (brief(last, _LONGEST) or f"the host tests ended with status {status}",)
    return tuple(found)


def checked(machine: Configured, say: Callable[[str], None], *, gpu: bool) -> tuple[str, ...]:
    """What fails of the host tests on `machine`, a line each; none where all pass. Each is said as it is made."""
    words = command(machine, gpu=gpu)
    with subprocess.Popen(
        words,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
        text=True,
    ) as process:
        try:
            lines = []
            for line in process.stdout or ():
                lines.append(line.rstrip("\n"))
                if lines[-1].strip():
                    say(brief(lines[-1], _LONGEST))
            status = process.wait()
        except BaseException:
            process.terminate()
            raise
    return failures(status, lines)
