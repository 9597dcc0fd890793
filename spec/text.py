"""Text that others wrote, as it may be shown: the on-host package's own functions, for all that the controller says."""

import sys

from spec.here import FILES

_PACKAGES = str(FILES / "usr/local/lib/visomaster")
if _PACKAGES not in sys.path:
    sys.path.append(_PACKAGES)

from visomaster_host.text import Told, brief, lines, printable  # noqa: E402

__all__ = ["Told", "brief", "lines", "printable"]
