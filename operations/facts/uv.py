"""What is installed for one Python, whoever installed it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from pyinfra.api import FactBase, QuoteString, StringCommand

from operations.remote.uv_requirements import WORK

_READ = (Path(__file__).parent.parent / "remote" / "uv_state.py").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class PythonPackages:
    """`installed`: PEP 503 name -> versions (two after a killed upgrade); `pending`: a run was cut off and left its
    work folder; `markers`: PEP 508 variables."""

    installed: dict[str, list[str]]
    pending: bool
    markers: dict[str, str]


class InstalledPackages(FactBase[PythonPackages | None]):
    """The completely installed distributions of a Python; None where it is not there yet."""

    def requires_command(self, python: str) -> str:
        return python

    def command(self, python: str) -> StringCommand:
        return StringCommand(QuoteString(python), "-I", "-c", QuoteString(_READ), WORK)

    def process(self, output: Iterable[str]) -> PythonPackages | None:
        report = json.loads("".join(output))
        installed: dict[str, list[str]] = {}
        for name, version in report["installed"]:
            installed.setdefault(canonicalize_name(name), []).append(version)
        return PythonPackages(installed=installed, pending=report["pending"], markers=report["markers"])
