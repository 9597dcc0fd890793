"""Programs that travel to a host as text: all they are made of goes along, and they need nothing else there."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from operations import remote

PROGRAMS = ("beside", "conda_environment", "uv_requirements", "wheels")


def imported(source: str) -> list[str]:
    """What a module imports when it is imported itself."""
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return names


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_module_travels_behind_those_it_imports(program: str) -> None:
    there: list[str] = []
    for name, source in remote.sources(program).items():
        assert [one for one in imported(source) if one.startswith("operations") and one not in there] == []
        there.append(name)
    assert there[-1] == program


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_travels_needs_the_standard_library_alone(program: str) -> None:
    sources = remote.sources(program)
    needed = {name.partition(".")[0] for source in sources.values() for name in imported(source)}
    assert needed - sys.stdlib_module_names <= {"operations"}


def test_modules_that_import_each_other_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for one, other in (("egg", "hen"), ("hen", "egg")):
        (tmp_path / f"{one}.py").write_text(f"from operations.remote.{other} import lay\n")
    monkeypatch.setattr(remote, "HERE", tmp_path)
    with pytest.raises(ValueError, match="import each other: egg -> hen -> egg"):
        remote.sources("egg")
