"""What services wait for before they start."""

from __future__ import annotations

from typing import Any

from visomaster_host import display, paths
from visomaster_host.choices import ModelsAt
from visomaster_host.fetch_state import read_state
from visomaster_host.host import Host
from visomaster_host.prepared import is_prepared
from visomaster_host.problems import NotReady
from visomaster_host.service import Need


def prepared(host: Host) -> str:
    """visomaster-start has run since this machine started. Raises `NotReady`.

    A supervisord that belongs to the machine starts the services on its own after a reboot; they then wait.
    """
    if not is_prepared(host):
        raise NotReady(f"visomaster-start has not run yet ({paths.PREPARED} is missing, or of another variant)")
    return "visomaster-start has run"


def models(host: Host) -> str:
    """The models are there: at once when the image brought them, else when this start's fetch has proven and linked all
    of them. A marker in a store that others use too, or used before, would not tell. Raises `NotReady`.
    """
    if host.models == ModelsAt.START and (state := read_state(paths.FETCH_STATE)).get("status") != "done":
        if state.get("status") == "failed":
            raise NotReady(f"some models could not be fetched, and are tried again: {_first_error(state)}")
        raise NotReady(f"models are still being fetched ({paths.FETCH_STATE} is not done)")
    return "all there"


def _first_error(state: dict[str, Any]) -> str:
    """The first file that could not be had, and why, as the fetcher tells it."""
    files = state.get("files")
    bad = [each for each in files if isinstance(each, dict) and each.get("error")] if isinstance(files, list) else []
    return f"{bad[0].get('path')}: {bad[0]['error']}" if bad else f"see {paths.FETCH_STATE}"


PREPARED = Need(probe=prepared, within=None)
"""Every service waits for it."""

X_SERVER = Need(probe=display.listening, within=30)
WINDOW_MANAGER = Need(probe=display.window_manager, within=30)
MODELS = Need(probe=models, within=None)
