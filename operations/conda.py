"""The Conda environment, by fact -> difference -> no-op or one run of the installer on the target."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand

from operations import remote
from operations.facts.conda import CondaEnvironment, EnvironmentState
from operations.remote.conda_lock import PLATFORMS, inputs_digest, lock_inputs, lock_platforms, locked_packages
from operations.remote.mirrors import swap_prefix
from operations.stream import refused


@operation()
def environment(
    prefix: str,
    host_lock: str,
    specs: Sequence[str],
    channels: Sequence[str],
    lock: Path | None = None,
    mirrors: Mapping[str, str] | None = None,
    index: str = "default",
) -> Generator[FunctionCommand]:
    """Make `prefix` hold exactly the Conda packages of a lock.

    + prefix: the environment's directory
    + host_lock: the file that the lock is kept in on the host
    + specs: Conda match specs, e.g. ``python 3.10.*``
    + channels: names, URLs or absolute paths, the first one strongest
    + lock: a committed lock, used on the platforms it has packages for; elsewhere, and without one,
      the specs are solved on the host
    + mirrors: URL prefixes FROM -> TO for channels and the index; locks and records keep the canonical URLs
    + index: the package index of the installer itself; `default` stands for what the host's pip is configured for

    Refused: a lock made for other specs or channels, and a machine no Conda packages are built for.
    """
    state = host.get_fact(CondaEnvironment, prefix=prefix, lock=host_lock)
    machine = state.machine if state is not None else "x86_64"  # no python3 yet: this is only the plan
    if machine not in PLATFORMS:
        yield refused(f"no Conda packages are made for {machine}; expected one of {', '.join(PLATFORMS)}")
        return
    try:
        committed = committed_lock(lock, specs, channels) if lock is not None else None
    except ValueError as error:
        yield refused(str(error))
        return
    digest = inputs_digest(specs, channels)
    wanted = lock_that_holds(committed, state, PLATFORMS[machine], digest)
    if state is not None and wanted is not None and is_current(state, wanted, digest):
        host.noop(f"{prefix} holds the {len(state.packages)} packages of its lock")
        return
    request = {
        "prefix": prefix,
        "lock_path": host_lock,
        "specs": list(specs),
        "channels": list(channels),
        "mirrors": dict(mirrors or {}),
        "lock": wanted,
        "platform": PLATFORMS[machine],
        "requirements": rattler_requirements(),
        "index": swap_prefix(index, mirrors or {}),
    }
    yield remote.job("conda_environment", request)


def committed_lock(lock: Path, specs: Sequence[str], channels: Sequence[str]) -> str:
    """The text of `lock`. Raises ``ValueError`` when it is of other inputs, or a package could be another one."""
    text = lock.read_text(encoding="utf-8-sig")
    if lock_inputs(text) != inputs_digest(specs, channels):
        raise ValueError(f"{lock.name} was made for other specs or channels: run `make lock`")
    try:
        locked_packages(text)
    except ValueError as error:
        raise ValueError(f"{lock.name}: {error}: run `make lock`") from None
    return text


def rattler_requirements() -> str:
    """The locked requirement set (text, with hashes) of the solver and installer."""
    return remote.text("rattler.txt")


def lock_that_holds(committed: str | None, state: EnvironmentState | None, platform: str, digest: str) -> str | None:
    """The lock for this host, or None: solve.

    The committed one where it has packages for the platform, else the host's own if it was solved for these
    inputs (`digest`).
    """
    if committed is not None and platform in lock_platforms(committed):
        return committed
    own = state.lock if state is not None else None
    return own if own is not None and lock_inputs(own) == digest else None


def is_current(state: EnvironmentState, wanted: str, digest: str) -> bool:
    """Whether the environment holds exactly the packages of the lock `wanted`.

    The host's lock is written last: its being there for these inputs says that an installation ended.
    """
    ended = not state.pending and state.lock is not None and lock_inputs(state.lock) == digest
    return ended and set(locked_packages(wanted).values()) == set(state.packages.values())
