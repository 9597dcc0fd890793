"""What the program keeps beside its code, of every kind: presets, settings, what was open last, an engine."""

import json
from pathlib import Path

PRESETS = "presets"
SETTINGS = "settings.json"
LAST_WORKSPACE = "last_workspace.json"
ENGINE = "tensorrt-engines/sandbox.engine"


class State:
    """The files of the program in the folder `program`."""

    def __init__(self, program: Path) -> None:
        """Nothing is read or made yet."""
        self._program = program

    def presets(self) -> list[str]:
        """Return the names of all presets, sorted."""
        return sorted(path.stem for path in (self._program / PRESETS).glob("*.json"))

    def save_preset(self, name: str, text: str) -> None:
        """Keep `text` as the preset `name`."""
        folder = self._program / PRESETS
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps({"text": text}))

    def results(self) -> str:
        """Return the folder for results; none is chosen at first."""
        path = self._program / SETTINGS
        return json.loads(path.read_text()).get("results", "") if path.is_file() else ""

    def last_workspace(self) -> str | None:
        """Return the text of what was open last, None when nothing was."""
        path = self._program / LAST_WORKSPACE
        return json.loads(path.read_text())["text"] if path.is_file() else None

    def save_workspace(self, text: str) -> None:
        """Keep `text` as what was open last."""
        (self._program / LAST_WORKSPACE).write_text(json.dumps({"text": text}))

    def engine(self) -> str:
        """Build the engine, or find it; return "built", "found", or "lost" where it cannot be kept."""
        path = self._program / ENGINE
        if path.is_file():
            return "found"
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"engine")
        except OSError:
            return "lost"
        return "built"
