"""The project's own programs on the host, and what they work by."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api import deploy
from visomaster_host import paths

from operations import bytecode, file, tree
from spec.here import local


@deploy("Programs")
def programs(manifest: Path) -> None:
    """The on-host package and its commands, the portal's pages, and the application's model `manifest`."""
    tree.copied(name="Install the package", source=local(paths.PACKAGE), dest=str(paths.PACKAGE))
    tree.copied(
        name="Install the commands",
        source=local(paths.COMMANDS),
        dest=str(paths.COMMANDS),
        prune="visomaster-*",  # the folder is not ours alone
    )
    tree.copied(name="Install the portal's pages", source=local(paths.PORTAL_SHARE), dest=str(paths.PORTAL_SHARE))
    tree.copied(name="Configure the front", source=local(paths.FRONT_SHARE), dest=str(paths.FRONT_SHARE))
    bytecode.compiled(name="Compile the package", folder=str(paths.PACKAGE))
    write_manifest(manifest)


def write_manifest(manifest: Path) -> None:
    """What the fetcher works by."""
    file.written(
        name="Write the model manifest",
        text=manifest.read_text(encoding="utf-8"),
        dest=str(paths.MANIFEST),
        user="root",
        group="root",
        mode="644",
    )
