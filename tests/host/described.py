"""What a host says of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from visomaster_host.choices import Access, ModelsAt
from visomaster_host.service import Service


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


def missing(host: Any) -> dict[str, str]:
    """The parts that `visomaster-ready` says are missing, each with why."""
    said = host.run("visomaster-ready --json")
    assert said.stdout, said.stderr
    return {check["name"]: check["detail"] for check in json.loads(said.stdout)["checks"] if not check["ok"]}
