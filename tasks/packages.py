"""What an environment holds: Conda's packages and those of the requirement sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyinfra.api import deploy
from pyinfra.api.exceptions import DeployError

from operations import conda, uv

if TYPE_CHECKING:
    from spec.environment import Accelerator, CondaEnvironment


@deploy("Environment")
def packages(
    prefix: str,
    host_lock: str,
    conda_environment: CondaEnvironment,
    accelerator: Accelerator,
    mirrors: Mapping[str, str],
) -> None:
    """A part of the environment that others stand on, as `install` has it: an image layer of its own."""
    install(prefix, host_lock, conda_environment, accelerator, mirrors)


def install(
    prefix: str,
    host_lock: str,
    conda_environment: CondaEnvironment,
    accelerator: Accelerator,
    mirrors: Mapping[str, str],
) -> None:
    """The environment in the folder `prefix` from its channels, by a lock that is kept as `host_lock`, then
    `accelerator`'s requirement sets: within a deploy. A committed lock of others is refused before a host is touched.
    """
    if lock := conda_environment.lock:
        try:
            conda.committed_lock(lock, conda_environment.all_specs, conda_environment.channels)
        except ValueError as error:
            raise DeployError(str(error)) from None
    conda.environment(
        name=f"Install Conda environment {prefix}",
        prefix=prefix,
        host_lock=host_lock,
        specs=conda_environment.all_specs,
        channels=conda_environment.channels,
        lock=conda_environment.lock,
        mirrors=mirrors,
        index=accelerator.index,
    )
    uv.requirements(
        name=f"Install Python packages for {accelerator.name}",
        python=f"{prefix}/bin/python",
        wanted=accelerator.requirements,
        mirrors=mirrors,
        index=accelerator.index,
    )
