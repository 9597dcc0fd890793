"""Application profiles: what is installed, read from one TOML file each (`VisoMaster/*.toml`)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from visomaster_host import given
from visomaster_host.kept_entry import Kept, require_apart
from visomaster_host.text import printable

from spec import fields
from spec.environment import DEFAULT_INDEX, Accelerator, CondaEnvironment, RequirementSet
from spec.here import GUIDE
from spec.program import FolderSource, GitSource, Source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROFILES = GUIDE.parent
"""Where the project's own profiles are, and where a user may put a program of their own."""

_PROFILE = ("title", "manifest", "system", "state", "source", "environment", "accelerators")
_ENVIRONMENT = ("python", "channels", "specs", "lock")
_ACCELERATOR = ("requirements", "cuda_libraries")
_SET = ("file", "index", "build")
_STATE = ("path", "by", "seed")


@dataclass(frozen=True, kw_only=True)
class Application:
    """One application profile.

    `title` begins the title of the program's main window, which its `main.py` opens; `manifest` lists its model files
    and `system` names the distribution's libraries it needs (Debian 12 names). `state` is what it keeps and a new host
    is to find again. `accelerators` has the default first.
    """

    name: str
    title: str
    manifest: Path
    system: tuple[str, ...]
    state: tuple[Kept, ...]
    source: Source
    environment: CondaEnvironment
    accelerators: tuple[Accelerator, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        """The paths of what it keeps."""
        return tuple(entry.path for entry in self.state)

    @property
    def commit(self) -> str:
        """The commit of its source, or what tells one state of a folder from another. Raises `ValueError` where that
        cannot be read."""
        return self.source.shown(self.kept)

    def accelerator(self, name: str | None) -> Accelerator:
        """The accelerator called `name`, or the default one. Raises `ValueError` listing the known ones."""
        if name is None:
            return self.accelerators[0]
        for accelerator in self.accelerators:
            if accelerator.name == name:
                return accelerator
        raise ValueError(
            f"accelerator: {name!r} is unknown to {self.name}, expected "
            + fields.one_of(accelerator.name for accelerator in self.accelerators)
        )


def known_applications() -> tuple[str, ...]:
    """The names of the project's own profiles."""
    return tuple(sorted(path.stem for path in PROFILES.glob("*.toml")))


def load_application(reference: str) -> Application:
    """The application that `reference` names: a profile's name or the path of a TOML file of the user's own.

    A program in `VisoMaster/` itself (a `main.py` there) replaces the profile's source, as the guide promises.
    Raises `ValueError` in one line naming what is wrong.
    """
    path = Path(reference) if reference.endswith(".toml") else PROFILES / f"{reference}.toml"
    if not given.is_there(path):
        raise ValueError(
            f"application: {reference!r} is unknown, expected {fields.one_of(known_applications())}"
            " or the path of a .toml file"
        )
    try:
        table = tomllib.loads(given.read(path, path.name))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{path.name}: not a TOML file: {error}") from None
    return _application(table, path)


def _application(table: Mapping[str, object], path: Path) -> Application:
    where = path.name
    fields.refuse_unknown(table, _PROFILE, where)
    return Application(
        name=path.stem,
        title=_title(table, where),
        manifest=path.parent / fields.text(table, "manifest", where),
        system=tuple(fields.debian_package(name, f"{where}: system") for name in fields.texts(table, "system", where)),
        state=_state(table, f"{where}: state"),
        source=_own_program() or read_source(fields.section(table, "source", where), path.parent, f"{where}: source"),
        environment=_environment(fields.section(table, "environment", where), path),
        accelerators=_accelerators(fields.section(table, "accelerators", where), path),
    )


def _title(table: Mapping[str, object], where: str) -> str:
    value = fields.text(table, "title", where)
    if printable(value) != value:
        raise ValueError(
            f"{where}: title becomes the image label org.opencontainers.image.title: expected one line without control"
            f" characters, got {value!r}"
        )
    return value


def _state(table: Mapping[str, object], where: str) -> tuple[Kept, ...]:
    """What the program keeps: a file, a folder with a slash at its end, or a table of `path` and `by` or `seed`. Raises
    `ValueError` naming the field.
    """
    listed = table.get("state", [])
    if not isinstance(listed, list):
        raise ValueError(f"{where} must be a list of paths or tables, got {listed!r}")
    found = tuple(_kept(item, where) for item in listed)
    try:
        require_apart(found)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return found


def _kept(item: object, where: str) -> Kept:
    table: Mapping[str, object] = item if isinstance(item, dict) else {"path": item}
    fields.refuse_unknown(table, _STATE, where)
    path = fields.text(table, "path", where)
    more = {key: fields.text(table, key, where) for key in ("by", "seed") if key in table}
    try:
        return Kept(path=path.removesuffix("/"), folder=path.endswith("/") or "by" in more, **more)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def read_source(table: Mapping[str, object], base: Path, where: str) -> Source:
    """The source that `table` describes: `git` and `commit`, or `folder` (relative to `base`).

    Raises `ValueError` naming the field.
    """
    fields.refuse_unknown(table, ("git", "commit", "folder"), where)
    if "folder" in table:
        if len(table) > 1:
            raise ValueError(f"{where}: folder stands alone, without git and commit")
        return FolderSource(path=(base / fields.text(table, "folder", where)).resolve())
    return GitSource(
        url=fields.url(fields.text(table, "git", where), f"{where}: git"),
        commit=fields.commit(fields.text(table, "commit", where), where),
    )


def _own_program() -> FolderSource | None:
    """The user's own program in `VisoMaster/`, without what this project keeps there."""
    if not (PROFILES / "main.py").is_file():
        return None
    profiles = (path.name for path in PROFILES.glob("*.toml"))
    ours = frozenset({*profiles, GUIDE.name, "locks", "models", "requirements", "README.md"})
    return FolderSource(path=PROFILES, exclude=ours)


def _environment(table: Mapping[str, object], path: Path) -> CondaEnvironment:
    where = f"{path.name}: environment"
    fields.refuse_unknown(table, _ENVIRONMENT, where)
    channels = tuple(fields.channel(item, f"{where}: channels") for item in fields.texts(table, "channels", where))
    if not channels:
        raise ValueError(f"{where}: channels must name at least one channel")
    lock = path.parent / fields.text(table, "lock", where) if "lock" in table else None
    return CondaEnvironment(
        python=fields.python_version(fields.text(table, "python", where), f"{where}: python"),
        channels=channels,
        specs=tuple(fields.match_spec(item, f"{where}: specs") for item in fields.texts(table, "specs", where)),
        lock=lock,
    )


def _accelerators(table: Mapping[str, object], path: Path) -> tuple[Accelerator, ...]:
    where = f"{path.name}: accelerators"
    if not table:
        raise ValueError(f"{where}: must have at least one accelerator")
    return tuple(_accelerator(name, fields.section(table, name, where), path) for name in table)


def _accelerator(name: str, table: Mapping[str, object], path: Path) -> Accelerator:
    where = f"{path.name}: accelerators.{name}"
    if "indexes" in table:
        raise ValueError(
            f"{where}: indexes are no field, expected each set with its own:"
            ' requirements = [{ file = "…", index = "https://…" }]'
        )
    fields.refuse_unknown(table, _ACCELERATOR, where)
    sets = table.get("requirements")
    if not isinstance(sets, list):
        raise ValueError(f"{where}: requirements must be a list of files or tables, got {sets!r}")
    return Accelerator(
        name=name,
        requirements=tuple(_requirement_set(item, f"{where}: requirements", path) for item in sets),
        cuda_libraries=tuple(
            fields.soname(item, f"{where}: cuda_libraries") for item in fields.texts(table, "cuda_libraries", where)
        ),
    )


def _requirement_set(item: object, where: str, path: Path) -> RequirementSet:
    """A file's name, or a table of `file`, its `index` and what to `build`. Raises `ValueError` naming the field."""
    table: Mapping[str, object] = item if isinstance(item, dict) else {"file": item}
    fields.refuse_unknown(table, _SET, where)
    return RequirementSet(
        file=path.parent / fields.text(table, "file", where),
        index=fields.index(fields.text(table, "index", where), f"{where}: index")
        if "index" in table
        else DEFAULT_INDEX,
        build=tuple(fields.package(name, f"{where}: build") for name in fields.texts(table, "build", where)),
    )
