"""What an image holds beside its base, package by package: `python -m bench.sizes BASE IMAGE…`.

A package counts by what dpkg says it takes (`Installed-Size`, deb-control(5), in KiB of the files alone); what lies
below the folder of our own programs by its files; all of the image by its layers, as `docker history` has them. Sizes
are in MB (1,000,000 bytes).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from visomaster_host import paths

from sandbox.engine import docker, ensure_engine
from sandbox.shell import SandboxError

RESULTS = Path(__file__).resolve().parent / "results" / "sizes.md"
LARGE = 5.0
"""MB from which on a package has a line of its own."""
GOAL = 420
"""MB of packages on the base of an image."""
_MB = 1e6
_ASK = """
dpkg-query -W -f 'package ${Package} ${Installed-Size}\\n'
for folder in "$1"/*; do if [ -d "$folder" ]; then du -sk "$folder" | awk '{ print "folder", $2, $1 }'; fi; done
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image: its packages and the folders of our programs with their sizes, and all its layers, in MB."""

    name: str
    packages: Mapping[str, float]
    folders: Mapping[str, float]
    layers: float


def look(name: str) -> Image:
    """What the image `name` holds. Raises `SandboxError` where there is none."""
    script = ("--entrypoint=sh", name, "-c", _ASK, "sizes", str(paths.PACKAGES))
    found: dict[str, dict[str, float]] = {"package": {}, "folder": {}}
    for line in docker("run", "--rm", "--network=none", *script).splitlines():
        kind, one, size = line.split()
        found[kind][one] = int(size) * 1024 / _MB
    layers = docker("history", "--human=false", "--format={{.Size}}", name).split()
    return Image(name=name, packages=found["package"], folders=found["folder"], layers=sum(map(int, layers)) / _MB)


def table(base: Image, images: Sequence[Image]) -> list[str]:
    """The lines of a table in Markdown: what each of `images` has beside `base`."""
    added = [{name: size for name, size in one.packages.items() if name not in base.packages} for one in images]
    largest = {name: max(one.get(name, 0) for one in added) for one in added for name in one}
    rows = [("**all packages**", [sum(one.values()) for one in added])]
    for name in sorted(largest, key=lambda name: (-largest[name], name)):
        if largest[name] >= LARGE:
            rows.append((name, [one.get(name, 0) for one in added]))
    rest = [sum(size for name, size in one.items() if largest[name] < LARGE) for one in added]
    rows.append((f"those of less than {LARGE:.0f} MB", rest))
    for folder in sorted({folder for one in images for folder in one.folders}):
        rows.append((f"`{folder}`", [one.folders.get(folder, 0) for one in images]))
    rows.append(("**all layers on the base**", [one.layers - base.layers for one in images]))
    names = [re.sub(r".*/", "", one.name) for one in images]
    lines = [f"| MB | {' | '.join(names)} |", f"| --- |{' --- |' * len(images)}"]
    cells = {name: " | ".join(f"{size:.1f}" if size else "" for size in sizes) for name, sizes in rows}
    return lines + [f"| {name} | {figures} |" for name, figures in cells.items()]


def page(base: Image, images: Sequence[Image]) -> str:
    """The page of results."""
    sums = [sum(size for name, size in one.packages.items() if name not in base.packages) for one in images]
    answers = ["yes" if total <= GOAL else "**no**" for total in sums]
    met = ", ".join(f"{one.name}: {answer}" for one, answer in zip(images, answers, strict=True))
    return "\n".join(
        [
            "# What the images hold beside their base",
            "",
            f"- Command: `python -m bench.sizes {' '.join([base.name, *(one.name for one in images)])}`,"
            f" {datetime.now(timezone.utc):%Y-%m-%d}",
            f"- Goal: {GOAL} MB of packages on the base at most. Met by {met}.",
            f"- Folders below {paths.PACKAGES} are no packages: programs of wheels, and of packages that are unpacked.",
            "",
            *table(base, images),
            "",
        ]
    )


def main() -> int:
    """Look at the images and write the page."""
    options = argparse.ArgumentParser(prog="python -m bench.sizes", description=__doc__.partition("\n")[0])
    options.add_argument("base", metavar="BASE")
    options.add_argument("images", metavar="IMAGE", nargs="+")
    asked = options.parse_args()
    try:
        ensure_engine()
        base, *images = (look(name) for name in (asked.base, *asked.images))
    except SandboxError as error:
        print(f"sizes: {error}", file=sys.stderr)
        return 1
    RESULTS.write_text(page(base, images), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
