"""Values written as the Python that makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path

from spec.here import ROOT


@dataclass(frozen=True, kw_only=True)
class Expression:
    """An expression, and the names it needs: (module, name)."""

    text: str
    imports: frozenset[tuple[str, str]] = frozenset()


def source_of(value: object) -> Expression:
    """`value` as Python: the same text for the same value. Paths in the repository are written from its root on.

    Raises `ValueError` for a value of any other kind than those that settings are made of.
    """
    match value:
        case Enum():
            return _of_class(type(value), Expression(text=f"{type(value).__name__}.{value.name}"))
        case None | bool() | int() | str():
            return Expression(text=repr(value))
        case Path():
            return _path(value)
        case tuple() | list() | frozenset():
            return _items(value)
        case Mapping():
            return _joined("{", [_pair(key, item) for key, item in value.items()], "}")
        case _ if is_dataclass(value) and not isinstance(value, type):
            given = {field.name: source_of(getattr(value, field.name)) for field in fields(value)}
            return _of_class(type(value), _joined(f"{type(value).__name__}(", _arguments(given), ")"))
        case _:
            raise ValueError(f"expected a value that can be written as Python, got {value!r}")


def call(module: str, function: str, arguments: Mapping[str, object]) -> Expression:
    """The call of `function` in `module` with `arguments`, each on a line of its own."""
    given = _arguments({name: source_of(value) for name, value in arguments.items()})
    lines = "".join(f"    {one.text},\n" for one in given)
    text = f"{function}(\n{lines})" if given else f"{function}()"
    return _with(Expression(text=text, imports=_imports(given)), module, function)


def module_of(calls: Iterable[Expression]) -> str:
    """A module that makes `calls` one after another."""
    every = list(calls)
    names: dict[str, list[str]] = {}
    for module, name in sorted(_imports(every)):
        names.setdefault(module, []).append(name)
    imports = (f"from {module} import {', '.join(wanted)}\n" for module, wanted in names.items())
    return "\n".join(["".join(imports), *(one.text for one in every)]) + "\n"


def _path(value: Path) -> Expression:
    if not value.is_relative_to(ROOT):
        return _with(Expression(text=f"Path({str(value)!r})"), "pathlib", "Path")
    return _with(Expression(text=f"ROOT / {value.relative_to(ROOT).as_posix()!r}"), "spec.here", "ROOT")


def _items(value: tuple[object, ...] | list[object] | frozenset[object]) -> Expression:
    items = [source_of(item) for item in value]
    match value:
        case list():
            return _joined("[", items, "]")
        case frozenset():
            return _joined("frozenset([", sorted(items, key=lambda item: item.text), "])")
        case _:
            return _joined("(", items, ",)" if len(items) == 1 else ")")


def _pair(key: object, value: object) -> Expression:
    left, right = source_of(key), source_of(value)
    return Expression(text=f"{left.text}: {right.text}", imports=left.imports | right.imports)


def _arguments(given: Mapping[str, Expression]) -> list[Expression]:
    return [Expression(text=f"{name}={one.text}", imports=one.imports) for name, one in given.items()]


def _joined(start: str, items: list[Expression], end: str) -> Expression:
    return Expression(text=start + ", ".join(item.text for item in items) + end, imports=_imports(items))


def _of_class(kind: type, expression: Expression) -> Expression:
    return _with(expression, kind.__module__, kind.__qualname__)


def _with(expression: Expression, module: str, name: str) -> Expression:
    return Expression(text=expression.text, imports=expression.imports | {(module, name)})


def _imports(items: Iterable[Expression]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for item in items for pair in item.imports)
