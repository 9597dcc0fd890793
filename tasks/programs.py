"""The project's own programs on the host, and what they work by."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api import deploy

from operations import bytecode, file, tree
from spec import paths
from spec.here import FILES


@deploy("Programs")
def programs(manifest: Path) -> None:
    """The on-host package and its commands, the portal's pages, and the application's model `manifest`."""
    tree.copied(
        name="Install the package",
        source=FILES / "usr/local/lib/visomaster/visomaster_host",
        dest=paths.ON_HOST_PACKAGE,
    )
    tree.copied(
        name="Install the commands",
        source=FILES / "usr/local/bin",
        dest=paths.LAUNCHERS,
        prune="visomaster-*",  # the folder is not ours alone
    )
    tree.copied(
        name="Install the portal's pages",
        source=FILES / "usr/local/share/visomaster/portal",
        dest="/usr/local/share/visomaster/portal",
    )
    tree.copied(
        name="Configure the front",
        source=FILES / "usr/local/share/visomaster/front",
        dest="/usr/local/share/visomaster/front",
    )
    bytecode.compiled(name="Compile the package", folder=paths.ON_HOST_PACKAGE)
    write_manifest(manifest)


def write_manifest(manifest: Path) -> None:
    """What the fetcher works by."""
    file.written(
        name="Write the model manifest",
        text=manifest.read_text(encoding="utf-8"),
        dest=paths.MANIFEST,
        user="root",
        group="root",
        mode="644",
    )
