"""Make a model manifest from an application's checkout: `python -m spec.manifest CHECKOUT`.

VisoMaster and its successors list their models in `app/processors/models_data.py` (`models_list`: dictionaries with
`local_path`, `hash` and `url`). The file is read, never run: of its Python only what such lists are made of is
understood (text, f-strings, sums, lists, `Path(__file__)` arithmetic).
"""

from __future__ import annotations

import argparse
import ast
import json
import operator
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from visomaster_host import given
from visomaster_host.fetch.manifest import load_manifest, parse_manifest
from visomaster_host.text import brief

from spec.application import PROFILES, known_applications
from spec.fields import one_of

SOURCE = PurePosixPath("app/processors/models_data.py")
LIST = "models_list"
USAGE = "make manifest APP=NAME CHECKOUT=FOLDER"


class NotPlain(ValueError):
    """An expression that is not plain data."""


def read_models(text: str) -> list[dict[str, object]]:
    """The dictionaries of `models_list` in the source `text`. Raises ValueError when it is not plain data."""
    tree = ast.parse(text)
    _check_only_assigned(tree)
    names: dict[str, object] = {"__file__": SOURCE}
    for node in tree.body:
        target, value = _assigned(node)
        if target is None or value is None:
            continue
        try:
            names[target] = evaluate(value, names)
        except NotPlain as error:
            names.pop(target, None)
            if target == LIST:
                raise ValueError(f"{SOURCE}: line {node.lineno}: {LIST}: {error}") from error
    models = names.get(LIST)
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise ValueError(f"{SOURCE}: expected a list of dictionaries named {LIST}")
    return models


def _check_only_assigned(tree: ast.Module) -> None:
    """Refuse a list that is also changed by calls or in branches: those entries would be missed."""
    plain = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if name == LIST:
                raise ValueError(f"{SOURCE}: line {node.lineno}: {LIST} is changed by a call")
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() if id(node) not in plain:
                if _assigned(node)[0] == LIST:
                    raise ValueError(f"{SOURCE}: line {node.lineno}: {LIST} is assigned conditionally")


def _assigned(node: ast.stmt) -> tuple[str | None, ast.expr | None]:
    """Name and value of an assignment to one name (`a = …`, `a: T = …`, `a += …`)."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
            return name, ast.BinOp(ast.Name(name, ast.Load()), ast.Add(), value)
    return None, None


def evaluate(node: ast.expr, names: Mapping[str, object]) -> object:
    """The value of an expression of plain data and known names. Raises NotPlain for anything else."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.JoinedStr(values=parts):
            return "".join(str(evaluate(part, names)) for part in parts)
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return evaluate(value, names)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [evaluate(item, names) for item in items]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return {evaluate(key, names): evaluate(value, names) for key, value in pairs if key is not None}
        case ast.BinOp(left=left, op=ast.Add() | ast.Div() as op, right=right):
            return _combine(op, evaluate(left, names), evaluate(right, names))
        case _:
            return _path(node, names)


def _combine(op: ast.operator, left: object, right: object) -> object:
    match op, left, right:
        case ast.Add(), str(), str():
            return operator.add(left, right)
        case ast.Add(), list(), list():
            return [*left, *right]
        case ast.Div(), PurePosixPath(), str() | PurePosixPath():
            return left / right
    raise NotPlain(f"cannot combine {type(left).__name__} and {type(right).__name__}")


def _path(node: ast.expr, names: Mapping[str, object]) -> object:
    """`Path(x)`, `str(x)`, `os.path.join(…)`, and `.resolve()`, `.parent` of a path."""
    match node:
        case ast.Call(func=ast.Name(id="Path" | "PurePath"), args=[inner], keywords=[]):
            return PurePosixPath(str(evaluate(inner, names)))
        case ast.Call(func=ast.Name(id="str"), args=[inner], keywords=[]):
            return str(evaluate(inner, names))
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="path"), attr="join"), args=parts, keywords=[]):
            return str(PurePosixPath(*(str(evaluate(part, names)) for part in parts)))
        case ast.Call(func=ast.Attribute(value=inner, attr="resolve" | "absolute"), args=[], keywords=[]):
            if isinstance(path := evaluate(inner, names), PurePosixPath):
                return path
        case ast.Attribute(value=inner, attr="parent"):
            if isinstance(path := evaluate(inner, names), PurePosixPath):
                return path.parent
    raise NotPlain(f"line {node.lineno}: not plain data: {ast.unparse(node)[:60]}")


def make_manifest(
    models: list[dict[str, object]], *, optional: frozenset[str] = frozenset(), sizes: Mapping[str, int] | None = None
) -> tuple[dict[str, object], list[str]]:
    """The manifest of `models`, and the names of those without a URL or a hash, which it cannot hold.

    `optional` are paths of files that are not required, `sizes` the known sizes by sha256 (bytes).
    Raises ValueError for an entry that is not usable.
    """
    files, left_out = [], []
    for model in models:
        name = str(model.get("model_name", "?"))
        if not model.get("url") or not model.get("hash"):
            left_out.append(name)
            continue
        path = str(PurePosixPath(str(model.get("local_path", ""))))
        digest = str(model["hash"]).lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError(f"{name}: hash: expected 64 hexadecimal digits, got {digest!r}")
        if not path.startswith("model_assets/") or ".." in path:
            raise ValueError(f"{name}: local_path: expected a path below model_assets, got {path!r}")
        group = "optional" if path in optional else "required"
        size = (sizes or {}).get(digest)
        files.append({"path": path, "url": str(model["url"]), "sha256": digest, "size": size, "group": group})
    if unknown := optional - {str(file["path"]) for file in files}:
        raise ValueError(f"optional: not a file of this application: {', '.join(sorted(unknown))}")
    return {"schema": 1, "files": files}, left_out


def as_text(manifest: Mapping[str, object]) -> str:
    """The manifest as JSON with one file a line, so that a change of upstream's shows as a change of lines."""
    files = manifest["files"]
    assert isinstance(files, list)  # noqa: S101 - made by make_manifest
    lines = ",\n".join(f"  {json.dumps(file)}" for file in files)
    return f'{{\n "schema": 1,\n "files": [\n{lines}\n ]\n}}\n'


def main(argv: list[str] | None = None) -> int:
    """Print the manifest of a checkout, or write it with --output; keeps an existing one's groups and sizes. 2 after
    one line where what was asked for is none, 1 where the checkout's list cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m spec.manifest", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout")
    parser.add_argument("--output", type=Path, metavar="FILE", help="e.g. VisoMaster/models/visomaster.json")
    parser.add_argument("--application", metavar="NAME", help="write the manifest of this profile's")
    args = parser.parse_args(argv)
    try:
        source = _source_in(args.checkout)
        output = args.output if args.application is None else _output_of(args.application)
    except ValueError as error:
        print(brief(f"manifest: {error}"), file=sys.stderr)
        return 2
    try:
        models = read_models(given.read(source))
        manifest, left_out = _refresh(models, output)
        parse_manifest(manifest)  # what a host would refuse is not written
        if output:
            output.write_text(as_text(manifest), encoding="utf-8")
    except (OSError, RecursionError, SyntaxError, ValueError) as error:
        print(brief(f"manifest: {error}"), file=sys.stderr)
        return 1
    for name in left_out:
        print(brief(f"manifest: left out, no URL or hash: {name}"), file=sys.stderr)
    if not output:
        sys.stdout.write(as_text(manifest))
    return 0


def _source_in(checkout: str) -> Path:
    """The list of models in the folder `checkout`. Raises `ValueError` where it is no checkout of such a program."""
    if not checkout.strip():
        raise ValueError(f"say where the program is: {USAGE}")
    folder = Path(checkout).expanduser()
    if not folder.is_dir():
        raise ValueError(f"CHECKOUT={checkout}: there is no such folder")
    if not (folder / SOURCE).is_file():
        raise ValueError(f"CHECKOUT={checkout}: no checkout of VisoMaster or Fusion, it has no {SOURCE}")
    return folder / SOURCE


def _output_of(application: str) -> Path:
    """The manifest of a profile. Raises `ValueError` where there is no such profile."""
    if not application.strip():
        raise ValueError(f"say for which program: {USAGE}")
    if application not in known_applications():
        raise ValueError(
            f"APP={application}: expected {one_of(known_applications())} (another: write its profile first)"
        )
    return PROFILES / "models" / f"{application}.json"


def _refresh(models: list[dict[str, object]], output: Path | None) -> tuple[dict[str, object], list[str]]:
    """make_manifest, with what people have put into the manifest at `output`: groups, sizes, dependencies."""
    old = load_manifest(output).files if output and given.is_there(output) else ()
    paths = {str(PurePosixPath(str(model.get("local_path", "")))) for model in models}
    optional = frozenset(file.path for file in old if file.group == "optional" and file.path in paths)
    sizes = {file.sha256: file.size for file in old if file.size is not None}
    manifest, left_out = make_manifest(models, optional=optional, sizes=sizes)
    files = manifest["files"]
    assert isinstance(files, list)  # noqa: S101 - made by make_manifest
    files += [asdict(file) for file in old if file.group == "dependencies"]
    return manifest, left_out


if __name__ == "__main__":
    sys.exit(main())
