"""Where this repository's own folders are, whatever folder pyinfra was started in.

Where the project is not installed, as before `.venv` is made, this makes the on-host package importable.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "files"
TEMPLATES = ROOT / "templates"
GUIDE = ROOT / "VisoMaster" / "Install_Guide.ipynb"
"""The notebook with help."""

if find_spec("visomaster_host") is None:
    sys.path.append(str(FILES / "usr/local/lib/visomaster"))


def local(path: Path) -> Path:
    """Where `path` of the host comes from: `files/` mirrors the host's root."""
    return FILES / path.relative_to("/")
