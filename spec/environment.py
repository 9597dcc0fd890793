"""What the program runs in, as its profile says: a Conda environment and requirement sets for an accelerator.

The layer of the environment is built anew by an edit of this file: how profiles are read and checked is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

DEFAULT_INDEX = "default"
"""Stands for the pip index that a host is configured for, which is PyPI where nothing is said."""


@dataclass(frozen=True, kw_only=True)
class RequirementSet:
    """A pip requirement set, and the one index all of it comes from: a URL, or `default` for the main one.

    `build` names its packages that exist only as source, which is a program that runs as root; all others are wheels.
    """

    file: Path
    index: str = DEFAULT_INDEX
    build: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """The pip requirement sets of one kind of accelerator, the main index (`default` is what the host's pip is
    configured for) and the CUDA libraries (sonames) that the program loads at run time."""

    name: str
    requirements: tuple[RequirementSet, ...]
    cuda_libraries: tuple[str, ...]
    index: str = DEFAULT_INDEX

    def with_index(self, index: str) -> Accelerator:
        """The same with `index` as the main one."""
        sets = (replace(one, index=index) if one.index == DEFAULT_INDEX else one for one in self.requirements)
        return replace(self, index=index, requirements=tuple(sets))


@dataclass(frozen=True, kw_only=True)
class CondaEnvironment:
    """A Conda environment: its Python's version, channels by priority, package specs and, if committed, its lock."""

    python: str
    channels: tuple[str, ...]
    specs: tuple[str, ...]
    lock: Path | None

    @property
    def all_specs(self) -> tuple[str, ...]:
        """The specs to solve, Python's own first."""
        return (f"python {self.python}.*", *self.specs)
