"""The host tests on a rented box, as `make verify` runs them: only one that has passed them is handed over."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from visomaster_host.text import brief

_FAILED, _FOUND = re.compile(r"FAILED  (.+)"), re.compile(r"\s*found:  (.+)")
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
