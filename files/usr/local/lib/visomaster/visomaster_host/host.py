"""What this host is: the facts that the deploy wrote to /etc/visomaster/host.json."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from visomaster_host import paths
from visomaster_host.problems import Problem

_SCREEN = re.compile(r"[1-9][0-9]{2,4}x[1-9][0-9]{2,4}x(16|24)")
_DISPLAY = re.compile(r":[0-9]{1,3}")
_SERVICE = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Host:
    """One host. `access` is "vnc" or "portal"; `models` says when they arrive, "build" or "start"."""

    application: str
    window_title: str
    access: str
    models: str
    port: int
    screen: str
    display: str
    commit: str
    services: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise `Problem` naming the first field that cannot be used."""
        _require(self.access in ("vnc", "portal"), "access", self.access, '"vnc" or "portal"')
        _require(self.models in ("build", "start"), "models", self.models, '"build" or "start"')
        _require(0 < self.port < 65536, "port", self.port, "a TCP port")
        _require(_SCREEN.fullmatch(self.screen) is not None, "screen", self.screen, "WIDTHxHEIGHTxDEPTH")
        _require(_DISPLAY.fullmatch(self.display) is not None, "display", self.display, 'an X display such as ":1"')
        _require(
            bool(self.window_title.strip()),
            "window_title",
            self.window_title,
            "the beginning of a window's title",
        )
        named = all(_SERVICE.fullmatch(name) for name in self.services)
        _require(bool(self.services) and named, "services", self.services, "a list of names")

    @property
    def vnc_port(self) -> int:
        """Where x11vnc listens: the public port, or on loopback behind a portal."""
        return self.port if self.access == "vnc" else 5900

    @property
    def display_number(self) -> str:
        """The digits of `display`, as they appear in X's lock and socket names."""
        return self.display.removeprefix(":")


def _require(good: bool, field: str, value: object, expected: str) -> None:
    if not good:
        raise Problem(f"{paths.HOST}: {field} must be {expected}, got {value!r}")


_TYPES: dict[str, type] = {
    "application": str,
    "window_title": str,
    "access": str,
    "models": str,
    "port": int,
    "screen": str,
    "display": str,
    "commit": str,
    "services": list,
}


def read_host(path: Path | None = None) -> Host:
    """The host described at `path`. Raises `Problem` when it is missing, no JSON, or a field is wrong."""
    path = path or paths.HOST
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Problem(f"{path} is missing: the host has not been set up, run the deploy first") from None
    except ValueError as error:
        raise Problem(f"{path} is not JSON: {error}") from None
    if not isinstance(facts, dict):
        raise Problem(f"{path} must hold a JSON object, got {type(facts).__name__}")
    for name, kind in _TYPES.items():
        value = facts.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise Problem(f"{path}: {name} must be a {kind.__name__}, got {value!r}")
    if not all(isinstance(name, str) for name in facts["services"]):
        raise Problem(f"{path}: services must be a list of names, got {facts['services']!r}")
    known = {name: facts[name] for name in _TYPES}
    return Host(**{**known, "services": tuple(facts["services"])})
