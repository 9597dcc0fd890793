"""What a person may set with `--data` or in an inventory, checked in one place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from visomaster_host import given
from visomaster_host.choices import Access, Screen, internal_ports
from visomaster_host.fetch.manifest import load_manifest
from visomaster_host.text import without_login

from spec import fields, requirements
from spec.application import Application, load_application, read_source
from spec.environment import DEFAULT_INDEX, Accelerator
from spec.image import own_repository
from spec.layer import Layer
from spec.parts import read_set
from spec.program import FolderSource, Source
from spec.variant import VARIANTS, Variant

KEYS = (
    "variant",
    "port",
    "tls_port",
    "screen",
    "layers",
    "application",
    "accelerator",
    "source",
    "channels",
    "indexes",
    "unhashed",
    "mirrors",
    "repository",
)
"""Every data key of the project. Connectors and pyinfra have keys of their own, which are theirs to check."""

Read = TypeVar("Read")

DEFAULT_REPOSITORY, DEFAULT_APPLICATION, DEFAULT_VARIANT = "visomaster", "visomaster", "default"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One host's checked settings.

    `port` is the public one, `tls_port` another one on which a portal speaks TLS, 0 without a portal.
    `mirrors` maps URL prefixes to where they are really fetched from; `repository` is
    the image name before the tag. `application` already carries the overrides of `source`, `channels` and `indexes`.
    """

    variant: Variant
    port: int
    tls_port: int
    screen: Screen
    layers: tuple[Layer, ...]
    application: Application
    accelerator: Accelerator
    mirrors: Mapping[str, str]
    repository: str

    @property
    def public_ports(self) -> tuple[int, ...]:
        """The TCP ports that are open to everybody."""
        return tuple(port for port in (self.port, self.tls_port) if port)


def read_settings(data: Mapping[str, object], default_layers: tuple[Layer, ...] = tuple(Layer)) -> Settings:
    """Check `data` (the values of `KEYS` that were given) and fill in what was not.

    A list is written `a,b` on the command line or as a list in an inventory. Raises `ValueError` in one line that
    names the field and what was expected.
    """
    fields.refuse_unknown(data, KEYS, "data")
    application = _application(data)
    accelerator = application.accelerator(_optional(data, "accelerator"))
    if "indexes" in data:
        accelerator = accelerator.with_index(_index(data))
    variant = _variant(str(data.get("variant", DEFAULT_VARIANT)))
    screen = fields.choice(Screen, str(data.get("screen", Screen.TIGERVNC)), "screen")
    port = _port(data, "port", variant.port)
    settings = Settings(
        variant=variant,
        port=port,
        tls_port=_tls_port(data, variant, port),
        screen=screen,
        layers=_layers(data, default_layers),
        application=application,
        accelerator=accelerator,
        mirrors=_mirrors(data),
        repository=own_repository(_optional(data, "repository") or DEFAULT_REPOSITORY),
    )
    for field, number in (("port", settings.port), ("tls_port", settings.tls_port)):
        if number in internal_ports(variant.access, screen):
            raise ValueError(f"{field}: {number} is used inside a host of variant {variant.name}, expected another one")
    _read_files(application, accelerator, settings.layers, unhashed=_unhashed(data))
    return settings


def _variant(name: str) -> Variant:
    if name not in VARIANTS:
        raise ValueError(f"variant: {name!r} is unknown, expected {fields.one_of(VARIANTS)}")
    return VARIANTS[name]


def _port(data: Mapping[str, object], field: str, default: int) -> int:
    value = data.get(field, default)
    if not isinstance(value, int | str) or not re.fullmatch(r"[0-9]{1,5}", str(value)) or not 0 < int(value) < 65536:
        raise ValueError(f"{field}: expected a number from 1 to 65535, got {value!r}")
    return int(value)


def _tls_port(data: Mapping[str, object], variant: Variant, port: int) -> int:
    if variant.access is not Access.PORTAL:
        if "tls_port" in data:
            raise ValueError(f"tls_port: variant {variant.name} has no portal, expected none")
        return 0
    wanted = _port(data, "tls_port", variant.tls_port)
    if wanted == port:
        raise ValueError(f"tls_port: {wanted} is the port of plain HTTP as well, expected another one")
    return wanted


def _layers(data: Mapping[str, object], default: tuple[Layer, ...]) -> tuple[Layer, ...]:
    if "layers" not in data:
        return default
    wanted = {fields.choice(Layer, item, "layers") for item in _list(data, "layers")}
    return tuple(layer for layer in Layer if layer in wanted)


def _application(data: Mapping[str, object]) -> Application:
    application = load_application(_optional(data, "application") or DEFAULT_APPLICATION)
    if "source" in data:
        application = replace(application, source=_source(fields.text(data, "source", "data")))
    if "channels" in data:
        channels = tuple(fields.channel(item, "channels") for item in _list(data, "channels"))
        # A committed lock names the packages of the profile's own channels, so other channels are solved anew.
        environment = replace(application.environment, channels=channels, lock=None)
        application = replace(application, environment=environment)
    return application


def _read_files(
    application: Application, accelerator: Accelerator, layers: tuple[Layer, ...], *, unhashed: bool
) -> None:
    """Raise `ValueError` when what `layers` are made from is missing or no good: before a host is touched. A build
    stage sees only the files of its own layer."""
    if Layer.ENVIRONMENT in layers:
        if lock := application.environment.lock:
            _read(application, "lock", lock, lambda: given.read(lock, lock.name))
        sets = accelerator.requirements
        texts = [_read(application, "requirements", one.file, partial(read_set, one)) for one in sets]
        with _told(application, "requirements"):
            requirements.merge(texts)
        if not unhashed:
            _require_hashes(application, accelerator, texts)
    if Layer.PROGRAMS in layers or Layer.MODELS in layers:
        _read(application, "manifest", application.manifest, lambda: load_manifest(application.manifest))
    source = application.source
    if Layer.APPLICATION in layers and isinstance(source, FolderSource):
        if not source.path.is_dir():
            raise ValueError(f"{application.name}: source names {source.path}, which is no folder")
        with _told(application, "source"):
            source.require_readable()


def _read(application: Application, field: str, path: Path, reading: Callable[[], Read]) -> Read:
    """What `reading` makes of the file `path` that `field` names."""
    if not given.is_there(path):
        raise ValueError(f"{application.name}: {field} names {path}, which is no file")
    with _told(application, field):
        return reading()


@contextmanager
def _told(application: Application, field: str) -> Iterator[None]:
    """A reason names a file; here is added which field it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{application.name}: {field}: {error}") from None


def _require_hashes(application: Application, accelerator: Accelerator, texts: Iterable[requirements.Text]) -> None:
    """Raise `ValueError` when a set names a package without the hashes its archive may have: whoever answers for its
    index, or for a mirror of it, would decide what runs as root."""
    for text in texts:
        for wanted in text.wanted():
            if not wanted.is_locked:
                index = "its index" if text.index == DEFAULT_INDEX else text.index
                raise ValueError(
                    f"accelerator: {accelerator.name}: {text.name} has no hash for {wanted.requirement}, expected"
                    f" a locked set: run `make lock APP={application.name}` where {index} can be reached, or say"
                    " unhashed=yes to trust it"
                )


def _unhashed(data: Mapping[str, object]) -> bool:
    value = str(data.get("unhashed", "no"))
    if value not in ("yes", "no"):
        raise ValueError(f"unhashed: expected yes or no, got {value!r}")
    return value == "yes"


def _index(data: Mapping[str, object]) -> str:
    indexes = _list(data, "indexes")
    if len(indexes) > 1:
        raise ValueError(
            "indexes: expected one, the main index: two would be equals, and either could answer for a package of the"
            " other; `mirrors` say where an index that a set names is reached"
        )
    return fields.index(indexes[0], "indexes")


def _source(value: str) -> Source:
    """`URL@COMMIT` or a folder's path."""
    if "://" not in value:
        return read_source({"folder": value}, Path.cwd(), "source")
    url, separator, commit = value.rpartition("@")
    if not separator or "/" not in url.partition("://")[2]:  # that `@` ends a login
        raise ValueError(f"source: expected URL@COMMIT or a folder, got {without_login(value)!r}")
    return read_source({"git": url, "commit": commit}, Path.cwd(), "source")


def _mirrors(data: Mapping[str, object]) -> Mapping[str, str]:
    pairs = {}
    for item in _list(data, "mirrors"):
        origin, separator, mirror = item.partition("=")
        if not (origin and separator and mirror):
            raise ValueError(f"mirrors: expected FROM=TO, got {without_login(item)!r}")
        if origin in pairs:
            raise ValueError(f"mirrors: {origin!r} stands twice, expected one place for it")
        pairs[fields.url(origin, "mirrors")] = fields.url(mirror, "mirrors")
    return pairs


def _optional(data: Mapping[str, object], key: str) -> str | None:
    return fields.text(data, key, "data") if key in data else None


def _list(data: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = data.get(key, "")
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{key}: expected a list written a,b — got {without_login(repr(value))}")
    found = tuple(item.strip() for item in items if item.strip())
    if key in data and not found:
        raise ValueError(f"{key}: expected a list written a,b — got {without_login(repr(value))}")
    return found
