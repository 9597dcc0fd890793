"""Which layers of the Dockerfile an edit of a file rebuilds: `python -m layers.rebuilt [APPLICATION]` prints it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from visomaster_host.text import brief, printable

from layers.stages import DEPLOY, all_stages, write
from spec.application import load_application
from spec.closure import closure
from spec.distribution import Release
from spec.here import ROOT
from spec.layer import BUILD_ORDER, Layer

VALUES = "only where its values change"


def readers(application: str) -> Mapping[str, frozenset[Layer]]:
    """File -> the layers that see it, for all that one of them sees. Raises `ValueError` as a deploy would."""
    found: dict[str, frozenset[Layer]] = {}
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), {"application": application, "unhashed": "yes"}, Release.BOOKWORM)
        for stage in all_stages():
            for path in sorted(Path(name, stage.name).rglob("*")):
                file = path.relative_to(Path(name, stage.name)).as_posix()
                if path.is_file() and file != DEPLOY:
                    found[file] = found.get(file, frozenset()) | {stage.layer}
    return found


def rebuilt(seen_by: Iterable[Layer]) -> tuple[Layer, ...]:
    """The layers that are built anew when those in `seen_by` are: these, and those that stand on one of them."""
    anew = set(seen_by)
    for below, layer in pairwise(BUILD_ORDER):
        if below in anew:
            anew.add(layer)
    return tuple(layer for layer in (*BUILD_ORDER, Layer.MODELS) if layer in anew)


def valued(application: str) -> frozenset[str]:
    """The files that what layers are given is worked out from."""
    profile = load_application(application).name
    files = {*closure(ROOT / "layers/stages.py"), ROOT / "VisoMaster" / f"{profile}.toml"}
    return frozenset(path.relative_to(ROOT).as_posix() for path in files)


def table(application: str) -> str:
    """One line a file: what an edit of it rebuilds."""
    seen = readers(application)
    lines = {file: " ".join(rebuilt(layers)) for file, layers in seen.items()}
    lines |= {file: VALUES for file in valued(application) if file not in seen}
    width = max(map(len, lines))
    return "".join(f"{file:<{width}}  {lines[file]}\n" for file in sorted(lines))


def main() -> int:
    """Print the table; exit status 1 with one line when the application is refused."""
    try:
        for line in table(sys.argv[1] if len(sys.argv) > 1 else "visomaster").splitlines():
            print(printable(line))
    except ValueError as error:
        print(brief(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
