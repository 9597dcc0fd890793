"""The stand-in application's model files: made from their names, so that every machine makes the same bytes.

`python3 -m sandbox.models` prints the manifest that is committed as VisoMaster/models/sandbox.json.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

URL = "http://assets.sandbox.invalid"
MODELS = "model_assets/"
DEPENDENCIES = "dependencies/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asset:
    """One file: its path in the program's tree, its size in bytes, and whether the program needs it."""

    path: str
    size: int
    group: str

    @property
    def served(self) -> str:
        """The file's path on the asset server."""
        return f"models/{self.path.removeprefix(MODELS)}" if self.path.startswith(MODELS) else self.path

    def content(self) -> bytes:
        """Return the file's bytes: incompressible, and the same everywhere."""
        return hashlib.shake_256(self.path.encode()).digest(self.size)


ASSETS = (
    Asset(path="model_assets/face_detector.onnx", size=2_400_000, group="required"),
    Asset(path="model_assets/face_landmarks_68.onnx", size=1_100_000, group="required"),
    Asset(path="model_assets/face_recognition.onnx", size=6_300_000, group="required"),
    Asset(path="model_assets/face_swapper_128.onnx", size=24_000_000, group="required"),
    Asset(path="model_assets/face_parser.onnx", size=200_000, group="required"),
    Asset(path="model_assets/liveportrait_onnx/motion_extractor.onnx", size=12_000_000, group="required"),
    Asset(path="model_assets/face_enhancer_512.onnx", size=8_000_000, group="optional"),
    Asset(path="dependencies/ffmpeg.exe", size=300_000, group="dependencies"),
    Asset(path="dependencies/ffplay.exe", size=200_000, group="dependencies"),
)


def manifest() -> dict[str, object]:
    """Return the manifest of every asset, as visomaster-fetch reads it."""
    files = [
        {
            "path": asset.path,
            "url": f"{URL}/{asset.served}",
            "sha256": hashlib.sha256(asset.content()).hexdigest(),
            "size": asset.size,
            "group": asset.group,
        }
        for asset in ASSETS
    ]
    return {"schema": 1, "files": files}


def write_assets(folder: Path) -> None:
    """Write every asset below `folder`, as the asset server serves them; files of the right size are kept."""
    for asset in ASSETS:
        path = folder / asset.served
        if not (path.is_file() and path.stat().st_size == asset.size):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(asset.content())


def main() -> int:
    """Print the manifest."""
    print(json.dumps(manifest(), indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
