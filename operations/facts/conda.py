"""What a Conda environment holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api import FactBase, QuoteString, StringCommand
from visomaster_host import paths

from operations.remote.conda_journal import PENDING

_READ = (Path(__file__).parent.parent / "remote" / "conda_state.py").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class EnvironmentState:
    """A prefix and the lock kept on its host, as they are."""

    machine: str  # uname -m
    packages: dict[str, str | None]  # archive name -> sha256 (None: its record is damaged)
    pending: bool  # a run that changes it has not ended
    lock: str | None  # the text of the host's lock


class CondaEnvironment(FactBase[EnvironmentState | None]):
    """The packages recorded in conda-meta and the host's lock; None where there is no python3 yet."""

    def requires_command(self, *_: object, **__: object) -> str:
        return str(paths.SYSTEM_PYTHON)

    def command(self, prefix: str, lock: str) -> StringCommand:
        return StringCommand(
            str(paths.SYSTEM_PYTHON), "-I -c", *(QuoteString(item) for item in (_READ, prefix, lock, PENDING))
        )

    def process(self, output: Iterable[str]) -> EnvironmentState | None:
        return EnvironmentState(**json.loads("".join(output)))
