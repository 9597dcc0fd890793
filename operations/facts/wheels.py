"""What a folder of installed wheels was made from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pyinfra.api import FactBase, QuoteString, StringCommand
from visomaster_host import paths

_READ = (Path(__file__).parent.parent / "remote" / "wheels_state.py").read_text(encoding="utf-8")


class WheelsMadeFrom(FactBase[str]):
    """The digest that was noted in the folder; "" where there is none, and where anything in it is not as it was."""

    default = str

    def requires_command(self, folder: str) -> str:
        return str(paths.SYSTEM_PYTHON)

    def command(self, folder: str) -> StringCommand:
        return StringCommand(str(paths.SYSTEM_PYTHON), "-I", "-c", QuoteString(_READ), QuoteString(folder))

    def process(self, output: Iterable[str]) -> str:
        return str(json.loads("".join(output))["made_from"])
