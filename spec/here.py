"""Where this repository's own folders are, whatever folder pyinfra was started in."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "files"
TEMPLATES = ROOT / "templates"
GUIDE = ROOT / "VisoMaster" / "Install_Guide.ipynb"
