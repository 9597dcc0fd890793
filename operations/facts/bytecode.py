"""Whether Python files on a host are compiled."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand
from visomaster_host import paths

# A .pyc holds its source's time and size in its header (PEP 552): what Python itself compares when it imports.
_STALE = """
import importlib.util, pathlib, struct, sys
for path in pathlib.Path(sys.argv[1]).rglob("*.py"):
    compiled = pathlib.Path(importlib.util.cache_from_source(path))
    source = path.stat()
    header = struct.pack("<LL", int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)
    whole = compiled.exists() and compiled.read_bytes()[8:16] == header
    if not whole or compiled.stat().st_mode & 0o044 != 0o044 or compiled.parent.stat().st_mode & 0o055 != 0o055:
        print(path)
""".strip()


class StaleBytecode(FactBase[list[str]]):
    """The Python files below a folder that have no bytecode, that of another version of themselves, or one that not
    everybody can read."""

    default = list

    def requires_command(self, *_: object, **__: object) -> str:
        return str(paths.SYSTEM_PYTHON)

    def command(self, folder: str) -> StringCommand:
        return StringCommand(str(paths.SYSTEM_PYTHON), "-I -c", QuoteString(_STALE), QuoteString(folder))

    def process(self, output: Iterable[str]) -> list[str]:
        return list(output)
