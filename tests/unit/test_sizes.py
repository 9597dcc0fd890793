"""Nothing grows out of sight: files and functions that can still be read as one."""

from __future__ import annotations

import ast
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from spec.here import ROOT

LONGEST_FILE = 450
"""Lines. Longer ones have had more than one reason to change."""

MOST_FUNCTIONS = 20
"""Lines that nine of ten functions do with: they fit in a glance."""

SOURCES = (".cfg", ".j2", ".js", ".py", ".sh")
PRODUCT = (
    "connectors/",
    "controller/",
    "fleet/",
    "layers/",
    "locks/",
    "operations/",
    "release/",
    "sandbox/",
    "spec/",
    "tasks/",
    "vast/",
)
ON_THE_HOST = "files/usr/local/lib/visomaster/visomaster_host/"


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository, as git lists them, that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def named(path: Path) -> str:
    """The path as it is written in the repository."""
    return path.relative_to(ROOT).as_posix()


def lengths(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of every function in a Python file, from `def` on, and what it is called."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            yield node.end_lineno - node.lineno + 1, f"{named(path)}: {node.name}"


def test_no_file_is_too_long() -> None:
    """Written by people: what is rendered or locked may be as long as it is."""
    sources = [path for path in tracked() if path.suffix in SOURCES or path.name == "Caddyfile"]
    assert len(sources) > 300
    sizes = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources}
    assert {name: lines for name, lines in sizes.items() if lines > LONGEST_FILE} == {}


def test_functions_fit_in_a_glance() -> None:
    """Nine of ten, of what runs on a host or provisions one; a failure shows the longest."""
    product = [path for path in tracked() if path.suffix == ".py" and named(path).startswith((*PRODUCT, ON_THE_HOST))]
    sizes = sorted(size for path in [*product, ROOT / "deploy.py"] for size in lengths(path))
    assert len(sizes) > 500
    *_, most = statistics.quantiles([lines for lines, _ in sizes], n=10)
    assert most <= MOST_FUNCTIONS, sizes[-20:]
