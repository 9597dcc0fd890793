"""What this host is: the facts that the deploy writes to /etc/visomaster/host.json, and every program on it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from visomaster_host import paths
from visomaster_host.choices import VNC_PORT, Access, ModelsAt, Screen
from visomaster_host.enums import StrEnum
from visomaster_host.kept_entry import Kept, require_apart
from visomaster_host.problems import Problem

_GEOMETRY = re.compile(r"[1-9][0-9]{2,4}x[1-9][0-9]{2,4}x(16|24)")
_DISPLAY = re.compile(r":[0-9]{1,3}")
_FOLDER = re.compile(r"[^./\0][^/\0]{0,199}")
_SERVICE = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Host:
    """One host; its fields are those of host.json, in their order there.

    `commit` is the program's, or `local-` and what tells one state of a folder from another; `window_title` begins the
    title of its window. `port` is the public one, and `tls_port` another one on which a portal speaks TLS, 0 without a
    portal. `geometry` is what the screen begins with. `services` names what supervisord runs, in the order it starts;
    `cuda_libraries` are the sonames that the program loads, `state` is what it keeps.
    Raises `Problem` naming the first field that cannot be used. `s-def` and `s-alt` are the same host, so no
    variant is named.
    """

    application: str
    commit: str
    window_title: str
    access: Access
    models: ModelsAt
    port: int
    tls_port: int = 0
    screen: Screen = Screen.TIGERVNC
    display: str = ":1"
    geometry: str = "1920x1080x24"
    services: tuple[str, ...]
    cuda_libraries: tuple[str, ...]
    state: tuple[Kept, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        one_name = _FOLDER.fullmatch(self.application) is not None
        _require(one_name, "application", self.application, "what a folder can be called")
        _require(self.access in tuple(Access), "access", self.access, '"vnc" or "portal"')
        _require(self.models in tuple(ModelsAt), "models", self.models, '"build" or "start"')
        _require(0 < self.port < 65536, "port", self.port, "a TCP port")
        portal = self.access == Access.PORTAL
        _require(portal is (0 < self.tls_port < 65536), "tls_port", self.tls_port, "a TCP port of a portal, else 0")
        _require(self.tls_port != self.port, "tls_port", self.tls_port, "another port than `port`")
        _require(self.screen in tuple(Screen), "screen", self.screen, '"tigervnc" or "guide"')
        _require(_GEOMETRY.fullmatch(self.geometry) is not None, "geometry", self.geometry, "WIDTHxHEIGHTxDEPTH")
        _require(_DISPLAY.fullmatch(self.display) is not None, "display", self.display, 'an X display such as ":1"')
        _require(
            bool(self.window_title.strip()),
            "window_title",
            self.window_title,
            "the beginning of a window's title",
        )
        named = all(_SERVICE.fullmatch(name) for name in self.services)
        _require(bool(self.services) and named, "services", self.services, "a list of names")
        with _naming("state"):
            require_apart(self.state)

    @property
    def vnc_port(self) -> int | None:
        """Where the VNC server listens: the public port, or behind a portal on loopback; None for a unix socket."""
        if self.access == Access.VNC:
            return self.port
        return VNC_PORT if self.screen == Screen.GUIDE else None

    @property
    def public_ports(self) -> tuple[int, ...]:
        """The TCP ports that are open to everybody."""
        return tuple(port for port in (self.port, self.tls_port) if port)

    @property
    def display_number(self) -> str:
        """The digits of `display`, as they appear in X's lock and socket names."""
        return self.display.removeprefix(":")

    def as_json(self) -> str:
        """The content of host.json."""
        return json.dumps(asdict(self), indent=2) + "\n"


@contextmanager
def _naming(field: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError) as error:
        raise Problem(f"{paths.HOST}: {field}: {error}") from None


def _require(good: bool, field: str, value: object, expected: str) -> None:
    if not good:
        raise Problem(f"{paths.HOST}: {field} must be {expected}, got {value!r}")


_IN_JSON: dict[str, type] = {
    **{"str": str, "Access": str, "ModelsAt": str, "Screen": str},
    **{"int": int, "tuple[str, ...]": list, "tuple[Kept, ...]": list},
}
"""What stands in JSON for a field of this type."""
_CHOICES: dict[str, tuple[StrEnum, ...]] = {
    "Access": tuple(Access),
    "ModelsAt": tuple(ModelsAt),
    "Screen": tuple(Screen),
}


def read_host(path: Path | None = None) -> Host:
    """The host described at `path`, on the display that this start has found free. Raises `Problem` when it is missing,
    no JSON, or a field is wrong.
    """
    path = path or paths.HOST
    try:
        host = parse_host(path.read_text(encoding="utf-8"), path)
        return host if path != paths.HOST else replace(host, display=_display_of_start() or host.display)
    except FileNotFoundError:
        raise Problem(f"{path} is missing: the host has not been set up, run the deploy first") from None
    except UnicodeDecodeError as error:
        raise Problem(f"{path} is not JSON: {error}") from None


def _display_of_start() -> str | None:
    """The display that `visomaster_host.display` has chosen instead of the host's own; None when it has not."""
    try:
        chosen = paths.DISPLAY.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return chosen if _DISPLAY.fullmatch(chosen) else None


def parse_host(text: str, path: Path = paths.HOST) -> Host:
    """The host that `text`, the content of `path`, describes. Raises `Problem` when it cannot be read as one."""
    try:
        facts = json.loads(text)
    except ValueError as error:
        raise Problem(f"{path} is not JSON: {error}") from None
    if not isinstance(facts, dict):
        raise Problem(f"{path} must hold a JSON object, got {type(facts).__name__}")
    return Host(**{field.name: _value(path, field.name, str(field.type), facts) for field in fields(Host)})


def _value(path: Path, name: str, kind: str, facts: dict[str, Any]) -> Any:
    """The value of the field `name`, whose type is `kind`, as `Host` takes it."""
    value, expected = facts.get(name), _IN_JSON[kind]
    if not isinstance(value, expected) or isinstance(value, bool):
        raise Problem(f"{path}: {name} must be a {expected.__name__}, got {value!r}")
    if kind == "tuple[Kept, ...]":
        with _naming(name):
            return tuple(Kept(**each) for each in facts[name])
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise Problem(f"{path}: {name} must be a list of names, got {value!r}")
        return tuple(value)
    return next((choice for choice in _CHOICES.get(kind, ()) if choice == value), value)
