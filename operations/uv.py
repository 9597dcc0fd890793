"""Python packages of a requirement set, by fact -> difference -> no-op or one run of uv an index."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand

from operations import remote
from operations.facts.uv import InstalledPackages
from operations.remote.mirrors import swap_prefix
from operations.stream import refused
from spec import requirements as sets

if TYPE_CHECKING:
    from spec.environment import RequirementSet


@operation()
def requirements(
    python: str,
    wanted: Sequence[RequirementSet],
    mirrors: Mapping[str, str] | None = None,
    index: str = "default",
) -> Generator[FunctionCommand]:
    """Install requirement sets for the Python at `python`.

    + python: the interpreter of an environment, `PREFIX/bin/python`; what is at work is beside `PREFIX` meanwhile
    + wanted: the sets, each with its index; `default` stands for what the host's pip is configured for
    + mirrors: URL prefixes FROM -> TO for the indexes
    + index: where uv itself comes from; `default` as above

    Of requirements that are pinned and hashed uv gets just what is missing and resolves nothing; of others it gets
    all, to keep their versions together. Refused: a malformed set, and two sets that differ about a package or about
    where it comes from.
    """
    try:
        every = sets.merge(_text(one) for one in wanted)
    except ValueError as error:
        yield refused(str(error))
        return
    state = host.get_fact(InstalledPackages, python=python)
    missing = sets.missing(every, state.installed, state.markers) if state is not None else every
    if not missing and (state is None or not state.pending):
        host.noop(f"{len(every)} Python packages are installed")
        return
    reached = mirrors or {}
    batches = [asdict(one) | {"index": swap_prefix(one.index, reached)} for one in sets.batches(every, missing)]
    request = {"python": python, "batches": batches, "uv": remote.text("uv.txt"), "index": swap_prefix(index, reached)}
    yield remote.job("uv_requirements", request)


def _text(one: RequirementSet) -> sets.Text:
    text = one.file.read_text(encoding="utf-8-sig")
    return sets.Text(name=one.file.name, text=text, index=one.index, build=one.build)
