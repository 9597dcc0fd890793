"""What is wrong with the words after `make`, before anything is done: the Makefile asks this. Standard library only.

`python3 -m sandbox.command_line TAKES TARGETS [NAME=VALUE …] [TARGET …]`: the names of the variables and of the targets
that there are, each list between spaces, and what was given. Prints one line when that is a slip, else nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

import spec.here  # noqa: F401 - before any virtual environment is made, the on-host package is found through it

# isort: split
from visomaster_host.text import brief

from spec.fields import one_of
from spec.variant import VARIANTS

CHOICES: Mapping[str, Collection[str]] = MappingProxyType(
    {
        "ATTEST": ("yes", ""),
        "CACHE": ("registry", ""),
        "COMPRESSION": ("gzip", "zstd", ""),
        "ENGINE": ("kubernetes", "dstack", "skypilot", ""),
        "GPU": ("all", "none", ""),
        "KEEP": ("yes", "no", ""),
        "ON_END": ("stop", "destroy", ""),
        "VARIANT": tuple(VARIANTS),
        "YES": ("yes", "no", ""),
    }
)
"""What a variable may be, where that is a short list."""

_GIVEN = re.compile(r"([A-Za-z_.-][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_SECRET = re.compile("key|password|token", re.IGNORECASE)
_ALIKE = 0.7


def slip(words: Sequence[str], takes: Collection[str], targets: Collection[str]) -> str | None:
    """One line about the first of `words` that is a slip, or nothing.

    A name that resembles none of `takes` is another program's, which finds it in its environment.
    """
    for word in words:
        found = _GIVEN.fullmatch(word)
        said = _variable(found[1], found[2].strip(), takes) if found else _target(word, targets)
        if said:
            return said
    return None


def _variable(name: str, value: str, takes: Collection[str]) -> str | None:
    if name in takes:
        known = CHOICES.get(name, (value,))
        return None if value in known else f"{name}={value}: expected {one_of(filter(None, known))}"
    upper = name.upper().replace("-", "_")
    close = [upper] if upper in takes else get_close_matches(upper, takes, n=1, cutoff=_ALIKE)
    shown = "…" if _SECRET.search(name) else value
    return f"{name}={shown}: write {close[0]}={shown}" if close else None


def _target(word: str, targets: Collection[str]) -> str | None:
    if word in targets or word.startswith("."):
        return None
    if word in VARIANTS:
        return f"{word}: write VARIANT={word}"
    if "://" in word or word.startswith("@"):
        return f"{word}: write HOST={word}"
    if word.isdigit():
        return f"{word}: write BOX={word}"
    close = get_close_matches(word.lower().replace("_", "-"), targets, n=1, cutoff=_ALIKE)
    return f"{word}: there is no such target: " + (f"write make {close[0]}" if close else "make help lists them")


def main(arguments: Sequence[str]) -> int:
    """The command line; always 0, it is make that stops."""
    takes, targets, *words = arguments
    if said := slip(words, takes.split(), targets.split()):
        print(brief(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
