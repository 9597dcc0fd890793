"""The last step on a machine that runs: its services, and a desktop that is ready to be used."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pyinfra.api import deploy

from operations import supervisor
from spec.service import services_for
from spec.variant import ModelsAt, Variant

READY_WITHIN: Mapping[ModelsAt, int] = MappingProxyType({ModelsAt.BUILD: 180, ModelsAt.START: 3600})
"""Seconds until the desktop must be usable, on a slow box with a large program; a first start that fetches the models
takes as long as several gigabytes do."""


@deploy("Start")
def start(variant: Variant) -> None:
    """Services started, and waited for."""
    supervisor.started(
        name="Start the services",
        names=tuple(service.name for service in services_for(variant.access, variant.models)),
        wait=READY_WITHIN[variant.models],
    )
