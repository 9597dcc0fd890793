"""The guide on the host: it runs anywhere, holds no outputs, and names no repair that it does not have."""

from __future__ import annotations

import ast
import itertools
import json
import re
import sys
from typing import Any

import nbformat
import pytest
from visomaster_host import paths

from spec.here import GUIDE, local

OLDEST_PYTHON = (3, 8)
NOTEBOOK = json.loads(GUIDE.read_text(encoding="utf-8"))
CODE = {cell["id"]: "".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"}
TITLES = {name: text.splitlines()[0].removeprefix("# ") for name, text in CODE.items()}


def trees() -> dict[str, ast.Module]:
    """The code cells as the oldest Python reads them."""
    return {name: ast.parse(text, feature_version=OLDEST_PYTHON) for name, text in CODE.items()}


def test_it_is_a_valid_notebook() -> None:
    nbformat.validate(NOTEBOOK)
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)  # the first one whose cells have ids
    # Every Jupyter of the host finds it, and one that does not asks for another.
    assert local(paths.GUIDE_KERNEL).name == NOTEBOOK["metadata"]["kernelspec"]["name"]


def test_nothing_was_run_before_it_was_committed() -> None:
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None), cell["id"]


def test_it_needs_the_standard_library_alone() -> None:
    imported = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert imported and imported <= sys.stdlib_module_names


@pytest.mark.parametrize("text", ["match x:\n    case 1:\n        pass", "with (a as b, c as d):\n    pass"])
def test_newer_grammar_would_be_noticed(text: str) -> None:
    """`feature_version` is Python's best effort, says its manual."""
    with pytest.raises(SyntaxError):
        ast.parse(text, feature_version=OLDEST_PYTHON)


def test_every_code_cell_says_what_it_is() -> None:
    """A person finds it by the heading above it; its own first line says the same."""
    cells = NOTEBOOK["cells"]
    for before, cell in itertools.pairwise(cells):
        if cell["cell_type"] == "code":
            heading = re.match(r"#+ (.*)", "".join(before["source"]))
            assert heading and heading[1] == TITLES[cell["id"]]
    assert len(set(TITLES.values())) == len(TITLES)


def repairs_named() -> set[str]:
    """What follows `repair=` where a check calls `fault`, whatever the condition."""
    calls: list[Any] = [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    faults = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "fault"]
    assert len(faults) > 10 and all([word.arg for word in call.keywords] == ["repair"] for call in faults)
    values = [node for call in faults for node in ast.walk(call.keywords[0].value)]
    return {node.value for node in values if isinstance(node, ast.Constant)}


def test_every_fault_has_a_repair() -> None:
    """And no repair stands there that no check leads to."""
    repairs = {title.removeprefix("Repair: ") for title in TITLES.values() if title.startswith("Repair: ")}
    assert repairs_named() == repairs


def test_cells_that_are_named_exist() -> None:
    """In the text, and in what is printed."""
    everything = "\n".join("".join(cell["source"]) for cell in NOTEBOOK["cells"])
    named = set(re.findall(r"(?:Check|Repair): [A-Za-z-]+", everything))
    assert named <= set(TITLES.values())


def test_a_check_changes_nothing() -> None:
    """Only repairs and the cells of the login ask whether they may."""
    asking = {TITLES[name] for name, text in CODE.items() if "may()" in text and name != "start"}
    changing = {title for title in TITLES.values() if title.startswith("Repair: ")}
    assert asking == changing | {"Show how to log in", "New password or token"}


@pytest.mark.parametrize("name", ["show-login", "new-password"])
def test_secrets_wait_for_a_person(name: str) -> None:
    """Running all cells shows no secret and changes none: a person has to write something first."""
    [switch] = [node for node in trees()[name].body if isinstance(node, ast.Assign)]
    assert isinstance(switch.value, ast.Constant) and not switch.value.value
    others = [other for other, text in CODE.items() if "visomaster-credentials" in text]
    assert others == ["show-login", "new-password"]
