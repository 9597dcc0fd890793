"""A container that pyinfra works on, what a run on it said, and what it holds."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from visomaster_host import paths, users

from operations.facts.checkout import CheckoutCommit
from tests.e2e.machine import BIN, ROOT, Container, pyinfra

RUN_WITHIN = 240
"""Seconds for one run of pyinfra on one layer."""


@dataclass(frozen=True, kw_only=True)
class Box(Container):
    """A running container and `settings`, pyinfra's arguments for what it is."""

    settings: tuple[str, ...]

    def _arguments(self, layer: str, pairs: tuple[str, ...]) -> list[str]:
        data = (word for pair in (f"layers={layer}", *pairs) for word in ("--data", pair))
        return [f"@docker/{self.name}", "deploy.py", "-y", *self.settings, *data]

    def apply(self, layer: str, *pairs: str) -> subprocess.CompletedProcess[str]:
        """One run of `layer`, with more `--data`."""
        return pyinfra(*self._arguments(layer, pairs), timeout=RUN_WITHIN)

    def begin(self, layer: str, log: Path) -> subprocess.Popen[bytes]:
        """A run that is left alone, its output going to `log`."""
        with log.open("wb") as output:
            return subprocess.Popen(
                [BIN / "pyinfra", *self._arguments(layer, ())],
                cwd=ROOT,
                env={**os.environ, "PYINFRA_PROGRESS": "off"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def good(self) -> tuple[str, ...]:
        """What must outlive a failed run: a program at its commit and an environment with its lock, which work."""
        return (
            self.output("sh", "-c", CheckoutCommit().command(str(paths.PROGRAM), users.DESKTOP).get_raw_value()),
            self.output("sha256sum", str(paths.ENVIRONMENT_LOCK)),
            self.output(str(paths.PYTHON), "-c", "import PySide6; print(PySide6.__version__)"),
        )

    def listeners(self) -> list[str]:
        """The addresses that anything listens on."""
        return [line.split()[3] for line in self.output("ss", "--no-header", "-ltn").splitlines()]


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why a run failed: the one line of the operation that failed, without the host's name.

    Fails the test when the run succeeded, or said anything more about the failure.
    """
    assert done.returncode != 0, done.stderr
    assert "Traceback" not in done.stderr
    said = re.findall(r"\[@\S+\] (.*)\n\s+\[@\S+\] Error: executed \d+ command", done.stderr)
    assert len(said) == 1, done.stderr
    assert not re.findall(r"(?mi)^\[@\S+\] (?:fatal|error|e|warning|failed): .*", done.stderr), done.stderr
    return str(said[0])


def unchanged(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a run succeeded and found nothing to do."""
    assert done.returncode == 0, done.stderr
    total = re.search(r"Grand total +(\d+) +(\S+) +(\S+) +(\d+)", done.stderr)
    assert total, done.stderr
    return total[1] == total[4]
