"""Model files and assets, where a variant carries them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyinfra.api import deploy
from visomaster_host import paths

from operations import models as model_files
from tasks.fetcher import write_manifest


@deploy("Models")
def models(manifest: Path, at_build: bool, mirrors: Mapping[str, str]) -> None:
    """The application's `manifest` and, when they come at build, its files in the store; else the first start has them.

    They are linked into the program later, with the services: in a Dockerfile this layer stands beside the program's.
    """
    write_manifest(manifest)  # by itself this layer brings a changed one
    if at_build:
        model_files.fetched(name="Fetch the models", manifest=str(paths.MANIFEST), link=False, mirrors=mirrors)
