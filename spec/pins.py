"""The images a build fetches, by digest. They stand in a file that Dependabot reads: `pins/Dockerfile`."""

from __future__ import annotations

import re
from pathlib import Path

FILE = Path(__file__).resolve().parent / "pins" / "Dockerfile"

_LINE = re.compile(r"^FROM (?P<image>\S+) AS (?P<stage>\S+)$", re.MULTILINE)
_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


def images(text: str | None = None) -> dict[str, str]:
    """What is pinned for what: `base` and `sbom-scanner`, from the file or its `text`."""
    found = _LINE.finditer(FILE.read_text(encoding="utf-8") if text is None else text)
    return {line["stage"]: line["image"] for line in found}


def pinned(image: str, what: str) -> str:
    """`image` when it is named by digest. Raises `ValueError`, naming `what`, for one whose name can move."""
    if not _DIGEST.fullmatch(image):
        raise ValueError(f"{what}: expected an image by its digest, NAME@sha256:…, got {image!r}, which can move")
    return image
