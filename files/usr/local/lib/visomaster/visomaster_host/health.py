"""Whether a container that is not ready is healthy all the same: the models of its first start are on their way.

An engine calls a container unhealthy when its health check has failed some times, and whoever runs it may then end it.
A first start that fetches several gigabytes over a slow line takes hours, and is to be left alone as long as more of
them arrives; a fetch that is stuck, gone, or fails again and again is not.
"""

from __future__ import annotations

from collections.abc import Iterable

from visomaster_host import needs, paths
from visomaster_host.fetch_state import read_state, seconds
from visomaster_host.host import Host
from visomaster_host.service import Result, Service
from visomaster_host.services import services_of

PROGRESS_WITHIN = 360
"""Seconds in which more bytes must arrive; a server may ask for a pause of 300."""

ALIVE_WITHIN = 30
"""Seconds: a fetch that lives says so each second."""

THERE_WITHIN = 120
"""Seconds from the end of the fetch until the program must be there, as long as an image with its models gets."""


def excuse(host: Host, results: Iterable[Result], now: float) -> str | None:
    """Why `host`, whose checks gave `results`, is healthy at `now` (seconds since 1970) though not ready; None when it
    is not. Raises `Problem` as `services_of` does.
    """
    missing = {result.name for result in results if not result.ok}
    waiting = {check.name for service in services_of(host) if _waits(service) for check in service.checks}
    if not missing <= waiting:
        return None
    state = read_state(paths.FETCH_STATE)
    status, age = state.get("status"), now - seconds(state, "updated")
    if status == "running" and age < ALIVE_WITHIN and now - seconds(state, "progressed") < PROGRESS_WITHIN:
        return f"healthy: models are being fetched, {seconds(state, 'bytes_done') / 1e6:.0f} MB are there"
    return "healthy: the models are there, the program starts" if status == "done" and age < THERE_WITHIN else None


def _waits(service: Service) -> bool:
    """Whether nothing of `service` can be there before the models are: it needs them, or brings them."""
    return needs.MODELS in service.needs or any(check.probe is needs.models for check in service.checks)
