"""The desktop: a virtual screen and a window manager."""

from __future__ import annotations

from pyinfra.api import deploy
from visomaster_host import paths

from operations import packages, tree
from spec.distribution import Release, package_names
from spec.here import local
from spec.packages import DESKTOP


@deploy("Desktop")
def desktop(release: Release) -> None:
    """X server, Fluxbox and its configuration."""
    packages.installed(name="Install packages", names=package_names(DESKTOP, release))
    tree.copied(name="Configure Fluxbox", source=local(paths.FLUXBOX), dest=str(paths.FLUXBOX))
