"""The project's own programs on the host, and what they work by."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api import deploy

from operations import bytecode, file, tree
from spec import paths
from spec.here import FILES
from tasks.fetcher import COMMANDS, PACKAGE, install_programs, write_manifest

PAGES = FILES / "usr/local/share/visomaster/portal"
FRONT = FILES / "usr/local/share/visomaster/front"
READS = (PACKAGE, COMMANDS, PAGES, FRONT)


@deploy("Programs")
def programs(manifest: Path) -> None:
    """The on-host package and its commands, the portal's pages, and the application's model `manifest`."""
    install_programs()
    tree.copied(name="Install the portal's pages", source=PAGES, dest="/usr/local/share/visomaster/portal")
    tree.copied(name="Configure the front", source=FRONT, dest="/usr/local/share/visomaster/front")
    bytecode.compiled(name="Compile the package", folder=paths.ON_HOST_PACKAGE)
    write_manifest(manifest)
    file.written(
        name="Put the environment on PATH of login shells",
        text=f'PATH="{paths.ENVIRONMENT}/bin:$PATH"\n',
        dest="/etc/profile.d/visomaster.sh",
        user="root",
        group="root",
        mode="644",
    )
