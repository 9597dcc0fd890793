"""The project's own programs on the host, and what they work by."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api import deploy
from visomaster_host import paths

from operations import bytecode, file, tree
from spec.here import local
from tasks.fetcher import COMMANDS, PACKAGE, install_programs, write_manifest

PAGES, FRONT = local(paths.PORTAL_SHARE), local(paths.FRONT_SHARE)
GREETING = local(paths.GREETING)
READS = (PACKAGE, COMMANDS, PAGES, FRONT, GREETING)
ON_PATH = f'PATH="{paths.CONDA_BIN}:$PATH:{paths.FFMPEG}"\n'
"""For login shells: the environment, and ffmpeg where nothing else has one."""


@deploy("Programs")
def programs(manifest: Path) -> None:
    """The on-host package and its commands, the portal's pages, the application's model `manifest`, and what login
    shells are given: the environment on PATH, and a greeting."""
    folders = {str(path): "root" for path in (paths.ETC, paths.PACKAGES, paths.SHARE)}
    file.folders(name="Make room for the programs", owners=folders, mode="755")
    install_programs()
    tree.copied(name="Install the portal's pages", source=PAGES, dest=str(paths.PORTAL_SHARE), own=True)
    tree.copied(name="Configure the front", source=FRONT, dest=str(paths.FRONT_SHARE), own=True)
    bytecode.compiled(name="Compile the package", folder=str(paths.PACKAGE))
    write_manifest(manifest)
    file.written(
        name="Put the environment on PATH of login shells",
        text=ON_PATH,
        dest=str(paths.LOGIN_PATH),
        user="root",
        group="root",
        mode="644",
    )
    file.written(
        name="Greet whoever logs in",
        text=GREETING.read_text(encoding="utf-8"),
        dest=str(paths.GREETING),
        user="root",
        group="root",
        mode="644",
    )
