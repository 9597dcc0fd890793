"""Python packages of a requirement set, by fact -> difference -> no-op or one run of pip."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand

from operations import remote
from operations import requirements as sets
from operations.facts.pip import InstalledPackages
from operations.remote.conda_environment import swap_prefix
from operations.stream import refused


@operation()
def requirements(
    python: str,
    lock_files: Sequence[Path],
    indexes: Sequence[str] = (),
    mirrors: Mapping[str, str] | None = None,
) -> Generator[FunctionCommand]:
    """Install requirement sets for the Python at `python`.

    + python: the interpreter, which needs pip
    + lock_files: the sets
    + indexes: pip indexes, the first one in place of pip's own default (none: what the host's pip is
    configured for)
    + mirrors: URL prefixes FROM -> TO for the indexes

    Where every requirement is pinned and hashed, pip gets just what is missing and resolves nothing;
    otherwise it gets the whole set, to keep its versions together. Raises ``OperationValueError`` for a
    malformed set.
    """
    try:
        wanted = sets.merge((file.name, file.read_text(encoding="utf-8")) for file in lock_files)
    except ValueError as error:
        yield refused(str(error))
        return
    state = host.get_fact(InstalledPackages, python=python)
    missing = sets.missing(wanted, state.installed, state.markers) if state is not None else wanted
    if not missing:
        host.noop(f"{len(wanted)} Python packages are installed")
        return
    locked = sets.is_locked(wanted)
    yield remote.job(
        "pip_requirements",
        {
            "python": python,
            "lines": [one.line for one in (missing if locked else wanted)],
            "missing": len(missing),
            "locked": locked,
            "indexes": [swap_prefix(index, mirrors or {}) for index in indexes],
        },
    )
