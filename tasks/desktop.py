"""The desktop: a virtual screen and a window manager."""

from __future__ import annotations

from pyinfra.api import deploy
from visomaster_host import paths

from operations import debian_files, tree
from operations import packages as distribution
from spec.here import local

FLUXBOX = local(paths.FLUXBOX)
READS = (FLUXBOX,)


@deploy("Desktop")
def desktop(packages: tuple[str, ...], unpacked: tuple[str, ...], unpacked_paths: tuple[str, ...]) -> None:
    """X server and Fluxbox, the distribution's `packages` and of those `unpacked` these paths alone, and its
    configuration."""
    distribution.installed(name="Install packages", names=packages)
    debian_files.unpacked(
        name="Unpack Fluxbox",
        packages=unpacked,
        paths=unpacked_paths,
        dest=str(paths.DESKTOP_UNPACKED),
    )
    tree.copied(name="Configure Fluxbox", source=FLUXBOX, dest=str(paths.FLUXBOX))
