"""Programs that run once on the target and leave nothing there.

A program is one Python file of this package, standard library at its top level, with ``run(request) -> int``.
Its source, that of the modules of this package it is made of, which are alike, and its request travel together
through stdin: one round trip, no file to upload or to forget on the host, and nothing (an index URL may hold a
password) in an argument list. It prints progress on stdout and, when it fails, one line on stderr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.command import FunctionCommand
from visomaster_host import paths

from operations.stream import streamed

HERE = Path(__file__).resolve().parent

_IMPORTED = re.compile(rf"^from {re.escape(__name__)}\.(\w+) import ", re.MULTILINE)

# The module is registered because dataclasses look their own module up in sys.modules. It begins in /: a Python that it
# starts with -m would take modules of the folder that the deploy was started in.
LAUNCHER = """
import json, os, sys, types
os.chdir("/")
job = json.loads(sys.stdin.read())
for name, source in job["sources"].items():
    program = types.ModuleType(name)
    sys.modules[name] = program
    exec(compile(source, name + ".py", "exec"), program.__dict__)
status = program.run(job["request"])
getattr(program, "leave", sys.exit)(status)
""".strip()


def job(name: str, request: Mapping[str, Any]) -> FunctionCommand:
    """A streamed command: the program ``name`` of this package, run on the target with ``request``."""
    stdin = json.dumps({"sources": sources(name), "request": dict(request)})
    return streamed(StringCommand(str(paths.SYSTEM_PYTHON), "-I", "-c", QuoteString(LAUNCHER)), stdin=stdin)


def text(name: str) -> str:
    """The text of a file of this package, such as a locked requirement set that a program is handed."""
    return (HERE / name).read_text(encoding="utf-8")


def sources(name: str) -> dict[str, str]:
    """Module -> source of the program ``name`` and of all modules of this package it is made of, in the order in which
    they can be run: each after those it imports, the program last. Raises ``ValueError`` for modules that import each
    other.
    """
    ordered: dict[str, str] = {}
    _add_sources(name, ordered, ())
    *modules, program = ordered
    return {f"{__name__}.{module}": ordered[module] for module in modules} | {name: ordered[program]}


def _add_sources(module: str, ordered: dict[str, str], importers: tuple[str, ...]) -> None:
    """Add the source of ``module`` to ``ordered``, after those it imports; ``importers`` led to it."""
    if module in importers:
        raise ValueError(f"{__name__}: modules import each other: {' -> '.join((*importers, module))}")
    if module in ordered:
        return
    source = (HERE / f"{module}.py").read_text(encoding="utf-8")
    for imported in _IMPORTED.findall(source):
        _add_sources(imported, ordered, (*importers, module))
    ordered[module] = source
