"""The last step on a machine that runs: its services, and a desktop that is ready to be used."""

from __future__ import annotations

from pyinfra.api import deploy

from operations import supervisor
from spec.service import services_for
from spec.variant import Variant

READY_WITHIN = 180
"""Seconds until the desktop must be usable, on a slow box with a large program."""


@deploy("Start")
def start(variant: Variant) -> None:
    """Services started, and waited for."""
    supervisor.started(
        name="Start the services",
        names=tuple(service.name for service in services_for(variant.access, variant.models)),
        wait=READY_WITHIN,
    )
