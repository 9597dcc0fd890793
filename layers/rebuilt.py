"""Which layers of the Dockerfile an edit of a file rebuilds: `python -m layers.rebuilt [APPLICATION]` prints it."""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from visomaster_host.text import brief, printable

from layers.stages import DEPLOY, all_stages, write
from spec.application import load_application
from spec.closure import closure
from spec.distribution import Release
from spec.here import ROOT
from spec.layer import BUILD_ORDER, Layer
from spec.parts import parts_of

VALUES = "only where its values change"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The layers that see a file, and those that see but a part of what it says."""

    by: frozenset[str] = frozenset()
    in_part_by: frozenset[str] = frozenset()

    def seen(self, layer: str, *, whole: bool) -> Seen:
        """The same, with `layer` among them."""
        if whole:
            return replace(self, by=self.by | {layer})
        return replace(self, in_part_by=self.in_part_by | {layer})


@functools.cache
def readers(application: str) -> Mapping[str, Seen]:
    """File -> who sees it, for all that a layer sees. Raises `ValueError` as a deploy would."""
    found: dict[str, Seen] = {}
    parts = (None, *parts_of(load_application(application).accelerators))
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), {"application": application, "unhashed": "yes"}, Release.BOOKWORM)
        for stage in (stage for stage in all_stages() if stage.part in parts):
            for path in sorted(Path(name, stage.name).rglob("*")):
                file = path.relative_to(Path(name, stage.name)).as_posix()
                if path.is_file() and file != DEPLOY:
                    whole = path.read_bytes() == (ROOT / file).read_bytes()
                    found[file] = found.get(file, Seen()).seen(stage.step, whole=whole)
    return found


def rebuilt(seen_by: Iterable[str]) -> tuple[str, ...]:
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
    lines = {file: _told(layers) for file, layers in seen.items()}
    lines |= {file: VALUES for file in valued(application) if file not in seen}
    width = max(map(len, lines))
    return "".join(f"{file:<{width}}  {lines[file]}\n" for file in sorted(lines))


def _told(seen: Seen) -> str:
    """What an edit of a file rebuilds that these layers see."""
    below = "".join(f"{layer} " for layer in BUILD_ORDER if layer in seen.in_part_by)
    return " ".join(rebuilt(seen.by)) + (f" ({below}{VALUES})" if below else "")


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
