"""Programs that run once on the target and leave nothing there.

A program is one Python file of this package, standard library at its top level, with ``run(request) -> int``.
Its source, that of the modules of this package it imports, which are alike, and its request travel together through
stdin: one round trip, no file to upload or to forget on the host, and nothing (an index URL may hold a password) in an
argument list. It prints progress on stdout and, when it fails, one line on stderr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.command import FunctionCommand

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
    source = _source(name)
    modules = {f"{__name__}.{module}": _source(module) for module in _IMPORTED.findall(source)}
    stdin = json.dumps({"sources": {**modules, name: source}, "request": dict(request)})
    return streamed(StringCommand("python3", "-I", "-c", QuoteString(LAUNCHER)), stdin=stdin)


def _source(module: str) -> str:
    return (HERE / f"{module}.py").read_text(encoding="utf-8")
