"""Who imports whom: downwards, in no circle, and at the top of a file unless a start waits for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from visomaster_host import paths

from spec.here import ROOT, local

HOST = local(paths.PACKAGE)
PACKAGES = (
    "connectors",
    "controller",
    "fleet",
    "layers",
    "locks",
    "operations",
    "release",
    "sandbox",
    "spec",
    "tasks",
    "vast",
)

ENTRIES = ("credentials", "ready", "run_service", "serve_pages", "start")
"""What the commands on the host run: nothing is above them."""

LATE = {
    "rattler": "the program that imports it has to install it first",
    "sandbox.desktop": "most of `python -m sandbox` works before the packages that this needs are installed",
}
"""What cannot be imported earlier, with the reason."""

MEASURED = re.compile(r"#.*\b\d+ ms\b")


def modules() -> dict[str, Path]:
    """Every module of the product by its name."""
    found = {f"visomaster_host.{_dotted(path, HOST)}": path for path in HOST.rglob("*.py")}
    for package in PACKAGES:
        found |= {f"{package}.{_dotted(path, ROOT / package)}": path for path in (ROOT / package).rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in found.items() if "application" not in path.parts}


def _dotted(path: Path, top: Path) -> str:
    return ".".join(path.relative_to(top).with_suffix("").parts)


def nodes(tree: ast.AST, inside: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """The imports below `tree` that are made when it runs, each with whether it is in a function."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        yield from nodes(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def names(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The names that may be modules among what is imported."""
    if isinstance(node, ast.Import):
        return {name.name for name in node.names}
    return {str(node.module), *(f"{node.module}.{name.name}" for name in node.names)}


def imported(path: Path) -> set[str]:
    """The names that may be modules among what `path` imports."""
    return {name for node, _ in nodes(ast.parse(path.read_text(encoding="utf-8"))) for name in names(node)}


def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: (imported(path) & set(known)) - {name} for name, path in known.items()}


def circle(edges: dict[str, set[str]]) -> list[str] | None:
    """Modules that import each other in a circle."""
    try:
        list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        return list(error.args[1])
    return None


def test_no_circle() -> None:
    # A package's own module names what is in it; that is no import of one by the other.
    edges = {name: {other for other in others if not name.startswith(f"{other}.")} for name, others in graph().items()}
    assert circle(edges) is None
    assert circle({**edges, "visomaster_host.text": {"visomaster_host.ready"}}), "one would be found"


@pytest.mark.parametrize(
    ("package", "may"),
    [
        ("visomaster_host", ()),
        ("spec", ()),
        ("operations", ("spec",)),
        ("tasks", ("operations", "spec")),
        ("controller", ()),
        ("connectors", ("spec",)),
        ("vast", ("spec",)),
        ("fleet", ("spec", "vast")),
        ("layers", ("spec", "tasks")),
        ("locks", ("operations", "spec")),
    ],
)
def test_a_package_imports_those_below_it(package: str, may: tuple[str, ...]) -> None:
    """The on-host package is below all, and what only describes a host knows no pyinfra."""
    high = {*PACKAGES, *(["pyinfra"] if package in ("spec", "visomaster_host", "vast") else [])} - {package, *may}
    assert_below(package, high)


@pytest.mark.parametrize(
    ("package", "above"),
    [
        ("visomaster_host.portal", {"visomaster_host.services", "visomaster_host.needs"}),
        ("visomaster_host.fetch", {"visomaster_host.services", "visomaster_host.portal", "visomaster_host.prepare"}),
        *(("visomaster_host", {f"visomaster_host.{entry}"}) for entry in ENTRIES if entry != "ready"),
    ],
)
def test_on_the_host_nothing_imports_what_is_above_it(package: str, above: set[str]) -> None:
    assert_below(package, above)


def assert_below(package: str, high: set[str]) -> None:
    """No module of `package` imports one of `high`, or a part of one."""
    for name, path in modules().items():
        if name == package or name.startswith(f"{package}."):
            found = {other for other in imported(path) if any(f"{other}.".startswith(f"{one}.") for one in high)}
            assert not found, f"{name} imports {found}"


def test_an_import_in_a_function_is_measured() -> None:
    unsaid = []
    for path in modules().values():
        lines = path.read_text(encoding="utf-8").splitlines()
        for node, inside in nodes(ast.parse("\n".join(lines))):
            first = next(
                n for n in range(node.lineno - 1, -1, -1) if not lines[n - 1].lstrip().startswith(("import ", "from "))
            )
            late = any(name == one or name.startswith(f"{one}.") for name in names(node) for one in LATE)
            if inside and not late and not any(MEASURED.search(line) for line in lines[first - 1 : node.lineno]):
                unsaid.append(f"{path.relative_to(ROOT)}:{node.lineno}: {lines[node.lineno - 1].strip()}")
    assert unsaid == [], "move it to the top, or say in a comment how many ms of a start it would take"
