"""Requirement sets: reading them, and what of them is missing. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_HASH = re.compile(r"\s--hash[= ](\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One requirement of a set and the hashes (``sha256:…``) its archive may have."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The PEP 503 name."""
        return canonicalize_name(self.requirement.name)

    @property
    def line(self) -> str:
        """The requirement as one line for pip."""
        return " ".join([str(self.requirement), *(f"--hash={digest}" for digest in self.hashes)])

    @property
    def is_pinned(self) -> bool:
        """Whether it names exactly one version."""
        only = [(one.operator, one.version) for one in self.requirement.specifier]
        return len(only) == 1 and only[0][0] == "==" and not only[0][1].endswith("*")

    @property
    def is_locked(self) -> bool:
        """Whether it names exactly one version and its archives."""
        return self.is_pinned and bool(self.hashes)


def parse(text: str, source: str) -> list[Wanted]:
    """The requirements of a set; raises ``ValueError`` naming `source` and the line.

    Options are refused: pip ignores an index on a requirement line, and a set must say nothing of where it
    comes from.
    """
    wanted = []
    for line in _COMMENT.sub("", text.replace("\\\n", " ")).splitlines():
        if not line.strip():
            continue
        bare = _HASH.sub("", line).strip()
        if bare.startswith("-") or " -" in bare:
            raise ValueError(f"{source}: {line.strip()!r}: expected a requirement, no option")
        try:
            requirement = Requirement(bare)
        except InvalidRequirement as error:
            raise ValueError(f"{source}: {bare!r}: {str(error).splitlines()[0]}") from error
        wanted.append(Wanted(requirement=requirement, hashes=tuple(_HASH.findall(line))))
    return wanted


def merge(sets: Iterable[tuple[str, str]]) -> list[Wanted]:
    """All requirements of several sets (name, text); ``ValueError`` where two differ about a package."""
    found: dict[tuple[str, str], tuple[str, Wanted]] = {}
    for source, text in sets:
        for wanted in parse(text, source):
            key = (wanted.name, str(wanted.requirement.marker))
            other, same = found.setdefault(key, (source, wanted))
            if same.requirement.specifier != wanted.requirement.specifier:
                raise ValueError(f"{source}: {wanted.requirement}, but {other} wants {same.requirement}")
    return [wanted for _, wanted in found.values()]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one run of pip gets: `lines` of a set, of which `missing` are not there yet, and `constraints` on what
    else it may bring. A `locked` batch names each archive, so nothing is left for pip to decide."""

    lines: tuple[str, ...]
    missing: int
    locked: bool
    constraints: tuple[str, ...] = ()


def batches(wanted: Iterable[Wanted], missing: Iterable[Wanted]) -> list[Batch]:
    """The runs of pip that bring what is `missing` of `wanted`.

    One requirement with a hash makes pip demand a hash for all, so locked requirements are a run of their own. The
    others are given whole, to keep their versions together, and may not move what is locked.
    """
    lacking = list(missing)
    pinned = [one for one in wanted if one.is_locked]
    unlocked = [one for one in wanted if not one.is_locked]
    found = []
    if locked := [one for one in lacking if one.is_locked]:
        found.append(Batch(lines=tuple(one.line for one in locked), missing=len(locked), locked=True))
    if count := sum(not one.is_locked for one in lacking):
        lines, constraints = (tuple(str(one.requirement) for one in some) for some in (unlocked, pinned))
        found.append(Batch(lines=lines, missing=count, locked=False, constraints=constraints))
    return found


def missing(wanted: Iterable[Wanted], installed: Mapping[str, list[str]], markers: Mapping[str, str]) -> list[Wanted]:
    """What is not there, or in another version, or in two versions, for a Python with these `markers`."""
    environment = dict(markers)
    return [
        one
        for one in wanted
        if (one.requirement.marker is None or one.requirement.marker.evaluate(environment))
        and not _is_met(one, installed.get(one.name, []))
    ]


def _is_met(wanted: Wanted, versions: list[str]) -> bool:
    return len(versions) == 1 and wanted.requirement.specifier.contains(versions[0], prereleases=True)
