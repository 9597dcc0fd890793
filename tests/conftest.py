"""What every test sees: the repository and the on-host package are importable."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ON_HOST = ROOT / "files/usr/local/lib/visomaster"

for folder in (ROOT, ON_HOST):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
