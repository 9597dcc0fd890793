"""What fetches models: the on-host package and its commands, and the manifest they work by.

The models' layer of the Dockerfile sees of files/ the fetcher alone: no other program makes it fetch anew.
"""

from __future__ import annotations

from pathlib import Path

from pyinfra.api import deploy
from visomaster_host import given, paths

from operations import file, tree
from spec.here import local

PACKAGE, COMMANDS = local(paths.PACKAGE), local(paths.COMMANDS)
READS = (COMMANDS / "visomaster-fetch",)

FOLDERS = (paths.APPLICATION, paths.MODELS, paths.DEPENDENCIES, paths.ETC)


@deploy("Fetcher")
def fetcher() -> None:
    """The fetcher and the folders it needs, on a system that has none of the other layers."""
    file.folders(name="Create folders", owners={str(path): "root" for path in FOLDERS}, mode="755")
    install_programs()


def install_programs() -> None:
    """As much of the package and its commands as is here."""
    tree.copied(name="Install the package", source=PACKAGE, dest=str(paths.PACKAGE), own=True)
    tree.copied(
        name="Install the commands",
        source=COMMANDS,
        dest=str(paths.COMMANDS),
        own=True,
        prune="visomaster-*",  # the folder is not ours alone
    )


def write_manifest(manifest: Path) -> None:
    """What the fetcher works by."""
    file.written(
        name="Write the model manifest",
        text=given.read(manifest),
        dest=str(paths.MANIFEST),
        user="root",
        group="root",
        mode="644",
    )
