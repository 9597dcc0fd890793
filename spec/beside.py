"""What of a run is begun early, to be done beside the rest. In a Dockerfile that is the engine's to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from visomaster_host import paths
from visomaster_host.choices import ModelsAt

from spec.distribution import Release, package_names
from spec.layer import Layer
from spec.packages import FIRST
from spec.settings import Settings
from spec.slices import slice_of

_UNPACKED = {Layer.DESKTOP: paths.DESKTOP_UNPACKED, Layer.ACCESS: paths.UNPACKED}
"""Where the layers' tasks put files of packages that are not installed."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """`first`: the packages that what runs beside needs; `packages`, and files `unpacked` of others (for each folder
    the arguments of `operations.debian_files.unpacked`), that are installed while the environment is; `models`: whether
    they are fetched while all else is done. Empty: in their layers' turn.
    """

    first: tuple[str, ...]
    packages: tuple[str, ...]
    unpacked: tuple[Mapping[str, Any], ...]
    models: bool


def beside(settings: Settings, release: Release) -> Beside:
    """What a run over the layers of `settings` begins early on a host that runs `release`."""
    layers, needy = settings.layers, {Layer.PROGRAMS, Layer.ENVIRONMENT}
    slices = {layer: slice_of(layer, settings, release) for layer in (Layer.SYSTEM, Layer.DESKTOP, Layer.ACCESS)}
    begun = [layer for layer in slices if layer in layers and Layer.ENVIRONMENT in layers]
    if slices[Layer.ACCESS]["repository"] and Layer.ACCESS in begun:
        begun.remove(Layer.ACCESS)  # its packages are not known before it is
    return Beside(
        first=package_names(FIRST, release) if Layer.SYSTEM in layers and needy.intersection(layers) else (),
        packages=tuple(dict.fromkeys(name for layer in begun for name in slices[layer]["packages"])),
        unpacked=tuple(
            {"packages": slices[layer]["unpacked"], "paths": slices[layer]["unpacked_paths"], "dest": str(dest)}
            for layer, dest in _UNPACKED.items()
            if layer in begun and slices[layer]["unpacked"]
        ),
        models={Layer.PROGRAMS, Layer.MODELS} <= set(layers) and settings.variant.models is ModelsAt.BUILD,
    )
