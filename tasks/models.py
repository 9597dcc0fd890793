"""Model files and assets, where a variant carries them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyinfra.api import deploy
from typing_extensions import assert_never
from visomaster_host import paths
from visomaster_host.choices import ModelsAt

from operations import models as model_files
from tasks.fetcher import write_manifest


@deploy("Models")
def models(manifest: Path, when: ModelsAt, mirrors: Mapping[str, str]) -> None:
    """The application's `manifest` and, when they come at build, its files in the store; else the first start has them.

    They are linked into the program later, with the services: in a Dockerfile this layer stands beside the program's.
    """
    write_manifest(manifest)  # by itself this layer brings a changed one
    match when:
        case ModelsAt.BUILD:
            model_files.fetched(
                name="Fetch the models",
                manifest=str(paths.MANIFEST),
                link=False,
                mirrors=mirrors,
            )
        case ModelsAt.START:
            pass
        case _:
            assert_never(when)
