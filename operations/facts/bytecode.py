"""Whether Python files on a host are compiled."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand

# A .pyc holds its source's time and size in its header (PEP 552): what Python itself compares when it imports.
_STALE = """
import importlib.util, pathlib, struct, sys
for path in pathlib.Path(sys.argv[1]).rglob("*.py"):
    compiled = pathlib.Path(importlib.util.cache_from_source(path))
    source = path.stat()
    header = struct.pack("<LL", int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)
    if not compiled.exists() or compiled.read_bytes()[8:16] != header:
        print(path)
""".strip()


class StaleBytecode(FactBase[list[str]]):
    """The Python files below a folder that have no bytecode, or that of another version of themselves."""

    default = list

    def requires_command(self, *_: object, **__: object) -> str:
        return "python3"

    def command(self, folder: str) -> StringCommand:
        return StringCommand("python3 -I -c", QuoteString(_STALE), QuoteString(folder))

    def process(self, output: Iterable[str]) -> list[str]:
        return list(output)
