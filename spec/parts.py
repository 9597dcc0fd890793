"""The parts of an environment that are image layers of their own: what is largest and changes least is below the rest.

A part holds what the requirement sets lock of it. What is not locked, and what is built from source, needs all else to
be there: it comes with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from visomaster_host import given

from spec import requirements
from spec.layer import Part

if TYPE_CHECKING:
    from spec.environment import Accelerator, RequirementSet


_PACKAGES: Mapping[Part, re.Pattern[str]] = MappingProxyType(
    {
        Part.CUDA: re.compile(r"nvidia-.+|tensorrt(-cu\d+)?-(libs|bindings)"),
        Part.TORCH: re.compile(r"torch|torchaudio|torchvision|triton|onnxruntime(-gpu)?"),
    }
)
"""Which packages are of a part, by their PEP 503 names. onnxruntime is as large as torch's, and pinned like it."""


def part_of(wanted: requirements.Wanted) -> Part | None:
    """The part that a requirement is installed with; None: with the rest."""
    if wanted.build or not wanted.is_locked:
        return None
    return next((part for part, names in _PACKAGES.items() if names.fullmatch(wanted.name)), None)


def parts_of(accelerators: Iterable[Accelerator]) -> tuple[Part, ...]:
    """The parts that any of `accelerators` has something of. Raises ``ValueError`` for a requirement set that is
    malformed or cannot be read."""
    found = {part_of(one) for each in accelerators for file in each.requirements for one in read_set(file).wanted()}
    return tuple(part for part in Part if part in found)


def up_to(part: Part, accelerator: Accelerator) -> tuple[Accelerator, Mapping[Path, str]]:
    """`accelerator` with nothing above `part`, and the text of each requirement set that is left of it: with what is
    below, so that a layer makes sure of what it stands on. Raises as `parts_of` does."""
    order = list(Part)
    among = order[: order.index(part) + 1]
    texts: dict[RequirementSet, str] = {}
    for one in accelerator.requirements:
        lines = [wanted.line for wanted in read_set(one).wanted() if part_of(wanted) in among]
        if lines:
            texts[one] = "".join(f"{line}\n" for line in lines)
    below = replace(accelerator, requirements=tuple(replace(one, build=()) for one in texts), cuda_libraries=())
    return below, {one.file: text for one, text in texts.items()}


def read_set(one: RequirementSet) -> requirements.Text:
    """A requirement set as its file has it. Raises ``ValueError`` for one that cannot be read."""
    text = given.read(one.file, one.file.name)
    return requirements.Text(name=one.file.name, text=text, index=one.index, build=one.build)
