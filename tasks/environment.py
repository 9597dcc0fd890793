"""The application's Conda environment, its requirement sets, and CUDA libraries on the loader path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pyinfra.api import deploy

from operations import cuda
from tasks.packages import install

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
    """All of the environment: what `install` brings, and `accelerator`'s CUDA libraries on the loader path.
    `before_loader` waits for whoever else may be at the loader's configuration, as packages are.
    """
    install(prefix, host_lock, conda_environment, accelerator, mirrors)
    if before_loader:
        before_loader()
    cuda.on_loader_path(
        name="Put CUDA libraries on the loader path",
        environment=prefix,
        sonames=accelerator.cuda_libraries,
    )
