"""Requirement sets: reading them, and what of them is missing. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from visomaster_host.text import without_login

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_HASH = re.compile(r"\s--hash[= ](\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One requirement of a set, the hashes (``sha256:…``) its archive may have, and the index it comes from.

    `build`: it exists as source alone.
    """

    requirement: Requirement
    hashes: tuple[str, ...]
    index: str = ""
    build: bool = False

    @property
    def name(self) -> str:
        """The PEP 503 name."""
        return canonicalize_name(self.requirement.name)

    @property
    def line(self) -> str:
        """The requirement as one line for uv."""
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

    Options are refused: a set must say nothing of where it comes from.
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
        if requirement.url:
            shown = without_login(bare)
            raise ValueError(f"{source}: {shown!r}: expected a package of the set's index, no address")
        _check_marker(requirement, source)
        wanted.append(Wanted(requirement=requirement, hashes=_hashes(line, f"{source}: {requirement}")))
    return wanted


def _check_marker(requirement: Requirement, source: str) -> None:
    """Refuse a marker that has the form of one, and cannot be decided."""
    try:
        if requirement.marker is not None:
            requirement.marker.evaluate()
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise ValueError(f"{source}: {requirement}: its marker cannot be decided: {error}") from None


def _hashes(line: str, where: str) -> tuple[str, ...]:
    found = tuple(_HASH.findall(line))
    for digest in found:
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{where}: expected --hash=sha256: and 64 hexadecimal digits, got {digest!r}")
    return found


@dataclass(frozen=True, kw_only=True)
class Text:
    """A requirement set: its name and text, the index it comes from, and the packages that are built from source."""

    name: str
    text: str
    index: str
    build: tuple[str, ...] = ()

    def wanted(self) -> list[Wanted]:
        """Its requirements. Raises ``ValueError`` as `parse` does, and for a package to build that it does not have."""
        found = parse(self.text, self.name)
        built = {canonicalize_name(name) for name in self.build}
        if unknown := built - {one.name for one in found}:
            raise ValueError(f"{self.name}: expected {', '.join(sorted(unknown))} in it, which is to be built")
        return [replace(one, index=self.index, build=one.name in built) for one in found]


def merge(sets: Iterable[Text]) -> list[Wanted]:
    """All requirements of several sets; ``ValueError`` where two differ about a package, or about where it is from."""
    found: dict[tuple[str, str], tuple[str, Wanted]] = {}
    for one in sets:
        for wanted in one.wanted():
            key = (wanted.name, str(wanted.requirement.marker))
            other, same = found.setdefault(key, (one.name, wanted))
            if same.requirement.specifier != wanted.requirement.specifier:
                raise ValueError(f"{one.name}: {wanted.requirement}, but {other} wants {same.requirement}")
            if same.index != wanted.index:
                raise ValueError(f"{one.name}: {wanted.name} from {wanted.index}, but {other} has it from {same.index}")
    return [wanted for _, wanted in found.values()]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one run of uv gets: `lines` from one `index`, of which `missing` are not there yet, and `constraints` on
    what else it may bring. A `locked` batch names each archive, so nothing is left for uv to decide. `build` names
    the packages that are built from source."""

    lines: tuple[str, ...]
    missing: int
    locked: bool
    index: str
    constraints: tuple[str, ...] = ()
    build: tuple[str, ...] = ()


def batches(wanted: Iterable[Wanted], missing: Iterable[Wanted]) -> list[Batch]:
    """The runs of uv that bring what is `missing` of `wanted`, each from one index: of several, any may answer for any
    package.

    One requirement with a hash makes uv demand a hash for all, so locked requirements are a run of their own. The
    others are given whole, to keep their versions together, and may not move what is locked. What is built needs what
    it is built with, so it comes last.
    """
    every, lacking = list(wanted), list(missing)
    constraints = tuple(str(one.requirement) for one in every if one.is_locked)
    found = []
    for index in dict.fromkeys(one.index for one in every):
        here = [one for one in lacking if one.index == index]
        for built in (False, True):
            if locked := [one for one in here if one.is_locked and one.build is built]:
                found.append(_batch(locked, len(locked), locked=True))
        if count := sum(not one.is_locked for one in here):
            unlocked = [one for one in every if one.index == index and not one.is_locked]
            found.append(replace(_batch(unlocked, count, locked=False), constraints=constraints))
    return found


def _batch(wanted: list[Wanted], missing: int, *, locked: bool) -> Batch:
    lines = (one.line if locked else str(one.requirement) for one in wanted)
    build = tuple(one.name for one in wanted if one.build)
    return Batch(lines=tuple(lines), missing=missing, locked=locked, index=wanted[0].index, build=build)


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
