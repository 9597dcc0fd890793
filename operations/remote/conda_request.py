"""What is asked of the installer of Conda environments."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operations.remote.conda_errors import InstallationError


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to install where. URLs are canonical; ``mirrors`` (FROM -> TO) say where to reach them."""

    prefix: Path | None  # None: only solve
    lock_path: Path  # where the lock is kept
    specs: tuple[str, ...]
    channels: tuple[str, ...]
    mirrors: Mapping[str, str]
    lock: str | None  # the text of a committed lock; None: solve
    platform: str
    requirements: str | None  # the set that brings rattler; None: it is here already
    index: str  # of the set: a URL, or `default`

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Request:
        """From JSON values; raises ``InstallationError`` for an unknown or missing key."""
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in request.items()}
        for key in ("prefix", "lock_path"):
            values[key] = Path(values[key]) if values.get(key) else None
        try:
            return cls(**values)
        except TypeError as error:
            raise InstallationError(f"bad request: {error}") from error

    @property
    def parent(self) -> Path:
        """The directory that holds the work directory, on the prefix's filesystem."""
        return self.prefix.parent if self.prefix else Path(tempfile.gettempdir())
