"""The application's Conda environment, its pip requirement sets, and CUDA libraries on the loader path."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy
from visomaster_host import paths

from operations import conda, cuda, file, pip
from spec.application import Accelerator, CondaEnvironment


@deploy("Environment")
def environment(conda_environment: CondaEnvironment, accelerator: Accelerator, mirrors: Mapping[str, str]) -> None:
    """The environment from its channels, then `accelerator`'s requirement sets and CUDA libraries."""
    conda.environment(
        name=f"Install Conda environment {paths.ENVIRONMENT}",
        prefix=str(paths.ENVIRONMENT),
        specs=conda_environment.all_specs,
        channels=conda_environment.channels,
        lock=conda_environment.lock,
        mirrors=mirrors,
        index=accelerator.index,
    )
    pip.requirements(
        name=f"Install Python packages for {accelerator.name}",
        python=str(paths.PYTHON),
        wanted=accelerator.requirements,
        mirrors=mirrors,
    )
    cuda.on_loader_path(
        name="Put CUDA libraries on the loader path",
        environment=str(paths.ENVIRONMENT),
        sonames=accelerator.cuda_libraries,
    )
    file.written(
        name="Put the environment on PATH of login shells",
        text=f'PATH="{paths.CONDA_BIN}:$PATH"\n',
        dest=str(paths.LOGIN_PATH),
        user="root",
        group="root",
        mode="644",
    )
