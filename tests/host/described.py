"""What a host says of itself."""

from __future__ import annotations

import json
from typing import Any


def missing(host: Any) -> dict[str, str]:
    """The parts that `visomaster-ready` says are missing, each with why."""
    said = host.run("visomaster-ready --json")
    assert said.stdout, said.stderr
    return {check["name"]: check["detail"] for check in json.loads(said.stdout)["checks"] if not check["ok"]}
