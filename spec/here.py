"""Where this repository's own folders are, whatever folder pyinfra was started in.

The on-host package that is imported is this repository's own: where the project is not installed, as before `.venv` is
made, and where another checkout of it is.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "files"
TEMPLATES = ROOT / "templates"
GUIDE = ROOT / "VisoMaster" / "Install_Guide.ipynb"
"""The notebook with help."""

_ON_HOST = str(FILES / "usr/local/lib/visomaster")
if _ON_HOST not in sys.path:
    sys.path.insert(0, _ON_HOST)


def local(path: Path) -> Path:
    """Where `path` of the host comes from: `files/` mirrors the host's root."""
    return FILES / path.relative_to("/")
