"""Python packages of a requirement set, by fact -> difference -> no-op or one run of pip."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
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
    + indexes: pip indexes, the main one first; `default` stands for what the host's pip is configured for
    + mirrors: URL prefixes FROM -> TO for the indexes

    Of requirements that are pinned and hashed pip gets just what is missing and resolves nothing; of others it gets
    all, to keep their versions together. Refused: a malformed set, and two sets that differ about a package.
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
    for batch in sets.batches(wanted, missing):
        yield remote.job(
            "pip_requirements",
            {
                "python": python,
                **asdict(batch),
                "indexes": [swap_prefix(index, mirrors or {}) for index in indexes],
            },
        )
