"""The application's Conda environment, its requirement sets, and CUDA libraries on the loader path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pyinfra.api import deploy
from pyinfra.api.exceptions import DeployError

from operations import conda, cuda, uv

if TYPE_CHECKING:
    from spec.environment import Accelerator, CondaEnvironment


@deploy("Environment")
def environment(
    prefix: str,
    host_lock: str,
    conda_environment: CondaEnvironment,
    accelerator: Accelerator,
    mirrors: Mapping[str, str],
    before_loader: Callable[[], None] | None = None,
) -> None:
    """The environment in the folder `prefix` from its channels, by a lock that is kept as `host_lock`, then
    `accelerator`'s requirement sets and CUDA libraries. A committed lock of others is refused before a host is touched.
    `before_loader` waits for whoever else may be at the loader's configuration, as packages are.
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
    if before_loader:
        before_loader()
    cuda.on_loader_path(
        name="Put CUDA libraries on the loader path",
        environment=prefix,
        sonames=accelerator.cuda_libraries,
    )
