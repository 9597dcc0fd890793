"""Makes Debian's Python look for packages where a Conda environment keeps them.

Debian's list of folders is compiled into the interpreter (`site` is a frozen module): no edit of site.py
changes it.
"""

import site
import sys
from collections.abc import Iterable


def getsitepackages(prefixes: Iterable[str] | None = None) -> list[str]:
    """Return the folders of installed packages, as an unpatched Python would."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [f"{prefix}/lib/{version}/site-packages" for prefix in dict.fromkeys(prefixes or site.PREFIXES)]


site.getsitepackages = getsitepackages
site.addsitepackages(site.removeduppaths())
