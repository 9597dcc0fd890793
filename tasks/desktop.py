"""The desktop: a virtual screen and a window manager."""

from __future__ import annotations

from pyinfra.api import deploy
from visomaster_host import paths

from operations import packages as distribution
from operations import tree
from spec.here import local

FLUXBOX = local(paths.FLUXBOX)
READS = (FLUXBOX,)


@deploy("Desktop")
def desktop(packages: tuple[str, ...]) -> None:
    """X server and Fluxbox, the distribution's `packages`, and its configuration."""
    distribution.installed(name="Install packages", names=packages)
    tree.copied(name="Configure Fluxbox", source=FLUXBOX, dest=str(paths.FLUXBOX))
