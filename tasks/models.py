"""Model files and assets, where a variant carries them."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy
from typing_extensions import assert_never

from operations import models as model_files
from spec import paths
from spec.variant import ModelsAt


@deploy("Models")
def models(when: ModelsAt, mirrors: Mapping[str, str]) -> None:
    """The files of the host's manifest in the store when they come at build; nothing when the first start does it.

    They are linked into the program later, with the services: in a Dockerfile this layer stands beside the program's.
    """
    match when:
        case ModelsAt.BUILD:
            model_files.fetched(
                name="Fetch the models",
                manifest=paths.MANIFEST,
                user=paths.USER,
                link=False,
                mirrors=mirrors,
            )
        case ModelsAt.START:
            pass
        case _:
            assert_never(when)
