"""Text that others wrote, made printable; and that nothing new is printed without."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import visomaster_host
from hypothesis import given
from hypothesis import strategies as st
from visomaster_host.text import LONGEST, Told, brief, lines, printable

from spec.here import ROOT
from tests.hostile import HOSTILE, harmless, one_line


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_acts_comes_through(text: str) -> None:
    harmless(printable(text))
    harmless(lines(text))
    one_line(brief(text))
    one_line(str(Told(text)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "two  spaces\tand a tab",
        "Größe 12\u00a0%",
        "モデル\u3000一",
        "👩 ok ⚠\ufe0f",
        "C:\\new\\x1b",
        "é e\u0301",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == lines(text) == brief(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb\r\n", "a\\nb\\r\\n"),
        ("\ud800", "\\ud800"),
        ("x\u3164", "x\\u3164"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_hidden_is_seen(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_keep_their_ends() -> None:
    """Of a terminal's and of DOS's lines as well; a return in between would overwrite what stands before it."""
    assert lines("a\r\nb\rc\n") == "a\nb\\rc\n"
    assert lines("a\r") == "a"


def test_a_reason_has_an_end() -> None:
    assert brief("x" * LONGEST) == "x" * LONGEST
    assert brief("x" * 10_000_000) == "x" * (LONGEST - 3) + "..."
    assert brief("abcdef", 5) == "ab..."
    assert len(brief("\x1b" * 10_000)) == LONGEST


@given(st.text(st.characters(codec=None)))
def test_any_text_is_one_harmless_line(text: str) -> None:
    shown = printable(text)
    harmless(shown)
    assert "\n" not in shown and printable(shown) == shown
    shown.encode()  # no half of a pair is left


# -- nothing is printed as it came

PROGRAMS = (
    "files/usr/local/lib/visomaster/visomaster_host",
    "connectors",
    "controller",
    "layers",
    "locks",
    "operations",
    "release",
    "sandbox",
    "spec",
    "vast",
)
MORE = ("deploy.py", "inventories/vast.py", "tests/host/conftest.py", "tests/host/plain.py")
ELSEWHERE = {
    "operations/remote": "runs on a box; the controller shows its lines, through `controller.terminal`",
    "operations/facts/bytecode.py": "runs on a box; its lines are a fact",
    "operations/cuda.py": "runs on a box, as above",
    "sandbox/application": "the stand-in program: its output is what is guarded against",
}
MAKES_PRINTABLE = {
    "printable",
    "brief",
    "lines",
    "coloured",
    "dumps",
    "page",
    "render",
    "as_text",
}  # dumps: ASCII; the rest: ours
OURS = {
    (
        "release/runner.py",
        "error",
    ): "its own sentences, and commands it has written itself; it runs without the project",
    ("release/runner.py", "free"): "a number",
    ("locks/__main__.py", "application.name"): "checked where the profile is read",
    ("locks/__main__.py", "out.name"): "made of the profile's name",
    ("sandbox/shell.py", "start"): "the line's own return, and what is printable",
    ("sandbox/shell.py", "text"): "printable since the line begins",
    ("sandbox/repack.py", "package.subdir"): "what it has made; it runs in a build without the project",
    ("sandbox/repack.py", "package.file_name"): "as above",
    ("vast/side.py", "asked['mark']"): "made by who asks, for a program that looks for it; it runs without the project",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every program of the host and of the controller that says something itself."""
    files = [path for folder in PROGRAMS for path in sorted((ROOT / folder).rglob("*.py"))]
    for path in [*files, *(ROOT / name for name in MORE)]:
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(tuple(ELSEWHERE)):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def printed(tree: ast.AST) -> Iterator[ast.expr]:
    """What is given to print, or written to a standard stream."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "print",
            *(f"sys.{stream}.{verb}" for stream in ("stdout", "stderr") for verb in ("write", "writelines")),
        }:
            yield from node.args


def raw(expression: ast.expr) -> Iterator[str]:
    """The parts of an expression that are neither literal, a constant, a number, nor made printable."""
    match expression:
        case ast.Constant():
            return
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in MAKES_PRINTABLE:
            return
        case ast.JoinedStr(values=values):
            for value in values:
                yield from raw(value)
        case ast.FormattedValue(format_spec=ast.JoinedStr(values=[ast.Constant(value=form)])) if form[-1:] in "df":
            return
        case ast.FormattedValue(value=value):
            yield from raw(value)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name.isupper() or name == "__doc__":
            return
        case _:
            yield ast.unparse(expression)


def test_whatever_is_printed_was_made_printable() -> None:
    found = {(name, part) for name, tree in sources() for text in printed(tree) for part in raw(text)}
    assert found == set(OURS), "pass it through printable, brief or lines of visomaster_host.text"


@pytest.mark.parametrize("code", ["print(x)", "print(f'{x}')", "sys.stderr.write(x)", "print('a', x.y())"])
def test_a_new_one_would_be_noticed(code: str) -> None:
    assert [part for text in printed(ast.parse(code)) for part in raw(text)]


NOT_TOLD = {"Damaged", "Stopped", "NoSuchLog"}  # nobody reads their text


def test_what_a_person_is_told_is_one_line() -> None:
    """Each kind of error of the host's programs is a `Told`."""
    found = set()
    for module in pkgutil.walk_packages(visomaster_host.__path__, "visomaster_host."):
        members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        found |= {kind for _, kind in members if kind.__module__ == module.name and issubclass(kind, Exception)}
    assert len(found) > 8
    assert {kind.__name__ for kind in found if not issubclass(kind, Told)} == NOT_TOLD


def test_the_notebook_prints_in_two_places() -> None:
    """It has a function of its own: it must run where nothing else does."""
    import json

    cells = json.loads((ROOT / "VisoMaster/Install_Guide.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ast.parse("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))
    assert [ast.unparse(text)[-15:] for text in printed(code)] == ["shown(text)", "'Repair: {repair}'"[-14:] + '"']


def test_the_folder_of_the_package_is_not_said_twice() -> None:
    assert Path(visomaster_host.__path__[0]) == ROOT / PROGRAMS[0]
