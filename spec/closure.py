"""What a Python file of this repository imports, and what those modules import: computed from the code, never run."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spec.here import ROOT

PACKAGES = (ROOT, ROOT / "files/usr/local/lib/visomaster")
"""Folders whose packages are ours. What is in neither comes with Python, or is installed with pyinfra."""

REMOTE = ROOT / "operations/remote"
"""Programs for the target: their text is read, not imported."""


@dataclass(frozen=True, kw_only=True)
class _Mentioned:
    """What a file names: modules it imports, or may import from a package, and texts."""

    modules: frozenset[str]
    texts: frozenset[str]


def closure(*entries: Path) -> frozenset[Path]:
    """The files `entries` need, themselves among them: modules, the packages these are in, and programs for the target.

    An import below `if TYPE_CHECKING:` does not count, one in a function does. Raises `ValueError` for a relative one.
    """
    found: set[Path] = set()
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _needed(path, PACKAGES) if is_python(path) else ()
    return frozenset(found)


def is_python(path: Path) -> bool:
    """Whether `path` is a Python module, or a program that Python runs."""
    if path.suffix:
        return path.suffix == ".py"
    with path.open("rb") as file:
        line = file.readline()
    return line.startswith(b"#!") and b"python" in line


@functools.cache
def _needed(path: Path, packages: tuple[Path, ...]) -> frozenset[Path]:
    mentioned = _mentioned(path)
    ships = "operations.remote" in mentioned.modules  # a program is shipped by its name there, as a module is
    programs = {
        program
        for program in (REMOTE.iterdir() if REMOTE.is_dir() else ())
        if mentioned.texts & {program.name, program.stem if ships else program.name}
        and program.name != "__init__.py"
        and program.is_file()
    }
    return frozenset(programs).union(*(_files_of(module, packages) for module in mentioned.modules))


def _mentioned(path: Path) -> _Mentioned:
    modules: set[str] = set()
    texts: set[str] = set()
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        match node:
            case ast.Import(names=names):
                modules |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                modules |= {module, *(f"{module}.{name.name}" for name in names)}
            case ast.ImportFrom():
                raise ValueError(f"{path.relative_to(ROOT)}: line {node.lineno}: expected an absolute import")
            case ast.Constant(value=str(text)):
                texts.add(text)
    return _Mentioned(modules=frozenset(modules), texts=frozenset(texts))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of `tree` but those that only a type checker sees."""
    yield tree
    skipped = tree.body if isinstance(tree, ast.If) and ast.unparse(tree.test).endswith("TYPE_CHECKING") else []
    for child in ast.iter_child_nodes(tree):
        if child not in skipped:
            yield from _nodes(child)


@functools.cache
def _files_of(module: str, packages: tuple[Path, ...]) -> frozenset[Path]:
    """The file of `module` and the packages it is in; nothing for one that is not ours, or for a name that is none."""
    parts = module.split(".")
    found: set[Path] = set()
    for folder in packages:
        for depth in range(1, len(parts) + 1):
            path = folder.joinpath(*parts[:depth])
            files = {path / "__init__.py", path.with_name(f"{path.name}.py")}
            found |= {file for file in files if file.is_file()}
    return frozenset(found)
