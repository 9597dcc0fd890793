"""What a host says of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from spec.service import Service
from spec.variant import Access, ModelsAt


@dataclass(frozen=True, kw_only=True)
class Described:
    """What /etc/visomaster says of the host."""

    application: str
    window_title: str
    access: Access
    models: ModelsAt
    port: int
    services: tuple[Service, ...]
    manifest: list[dict[str, Any]]
    cuda_libraries: tuple[str, ...]


def missing(host: Any) -> frozenset[str]:
    """The parts that `visomaster-ready` says are missing."""
    report = json.loads(host.run("visomaster-ready --json").stdout)
    return frozenset(check["name"] for check in report["checks"] if not check["ok"])
