"""Which model files are expected, and which of them are there."""

import dataclasses
import json
from pathlib import Path

MANIFEST = Path("/etc/visomaster/models.json")
FOLDER = "model_assets"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """A model file as the list shows it; `size` in bytes, 0 when unknown."""

    name: str
    size: int
    optional: bool
    found: bool


def find_models(program: Path) -> list[Model]:
    """Return every expected model of the program in the folder `program`, in the manifest's order.

    Without a manifest on this machine, the files that are there are the ones expected.
    """
    folder = program / FOLDER
    if not MANIFEST.is_file():
        files = sorted(path for path in folder.rglob("*.onnx") if path.is_file())
        return [
            Model(name=str(path.relative_to(folder)), size=path.stat().st_size, optional=False, found=True)
            for path in files
        ]
    entries = json.loads(MANIFEST.read_text())["files"]
    return [_model(program, entry) for entry in entries if entry["path"].startswith(f"{FOLDER}/")]


def _model(program: Path, entry: dict) -> Model:
    path = program / entry["path"]
    size = path.stat().st_size if path.is_file() else None
    expected = entry.get("size")
    return Model(
        name=entry["path"].removeprefix(f"{FOLDER}/"),
        size=expected or size or 0,
        optional=entry["group"] == "optional",
        found=size is not None and expected in (None, size),
    )


def readable_size(size: int) -> str:
    """Return a size in bytes as people write it, for example "24.0 MB"."""
    if size >= 1_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{size / 1000:.0f} kB"
