"""What takes long and needs little, beside the rest: started early, waited for where something needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyinfra.api import deploy
from visomaster_host import paths

from operations import beside
from operations import packages as distribution


@deploy("Beside")
def first(packages: tuple[str, ...]) -> None:
    """The distribution's `packages` that whatever runs beside needs."""
    distribution.installed(name="Install what comes first", names=packages)


@deploy("Beside")
def packages_begun(packages: tuple[str, ...], unpacked: Sequence[Mapping[str, Any]]) -> None:
    """The distribution's `packages` on their way, and then files `unpacked` of others."""
    beside.installing(name="Begin with the packages", names=packages, unpacked=unpacked)


def packages_waited() -> None:
    """The packages there: to be called within another task."""
    beside.waited(name="Wait for the packages", name_of=beside.PACKAGES)


@deploy("Beside")
def models_begun(manifest: Path, mirrors: Mapping[str, str]) -> None:
    """The required files of `manifest`, which the host has, on their way."""
    beside.fetching(name="Begin with the models", manifest=str(paths.MANIFEST), wanted=manifest, mirrors=mirrors)


@deploy("Beside")
def models_waited() -> None:
    """The models there."""
    beside.waited(name="Wait for the models", name_of=beside.MODELS)
