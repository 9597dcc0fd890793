"""What a fetch has written of itself (`visomaster_host.fetch.progress` says what), read by others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from visomaster_host import beneath

_MOST = 4 * 1024 * 1024  # bytes: 200 models make some 40 kB


def read_state(path: Path) -> dict[str, Any]:
    """The state at `path`; empty where there is none that can be read."""
    try:
        state = json.loads(beneath.read(path, _MOST))
    except (OSError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def seconds(state: dict[str, Any], name: str) -> float:
    """The number under `name`; 0 where there is none."""
    value = state.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0
