"""The services of a host, one file each: every module of this package says what its `SERVICE` is.

supervisord's files, visomaster-ready, the status page, the portal's links and the notebook's list come from here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from visomaster_host import paths
from visomaster_host.choices import Access, ModelsAt, Screen
from visomaster_host.host import Host
from visomaster_host.problems import Problem
from visomaster_host.service import Service


@cache
def known() -> Mapping[str, Service]:
    """Every service by its name, in the order they start."""
    files = (os.path.splitext(name) for folder in __path__ for name in os.listdir(folder))
    # What an editor leaves beside them is no module's name.
    names = [name for name, suffix in files if suffix == ".py" and name.isidentifier() and name != "__init__"]
    services: list[Service] = [import_module(f"{__name__}.{name}").SERVICE for name in names]
    return MappingProxyType({each.name: each for each in sorted(services, key=lambda each: each.priority)})


def services_for(access: Access, models: ModelsAt, screen: Screen = Screen.TIGERVNC) -> tuple[Service, ...]:
    """The services of a host with this access and screen whose models arrive then, in the order they start."""
    return tuple(service for service in known().values() if service.is_on(access, models, screen))


def services_of(host: Host) -> tuple[Service, ...]:
    """The services that `host` was set up with. Raises `Problem` when it names one that its programs do not know."""
    unknown = [name for name in host.services if name not in known()]
    if unknown:
        names = ", ".join(unknown)
        raise Problem(f"{paths.HOST}: services {names} are unknown to the programs on this host: deploy it again")
    return tuple(known()[name] for name in host.services)


def source_of(service: Service) -> Path:
    """The file that says what `service` is."""
    name = f"{service.name}.py"
    return next(Path(folder, name) for folder in __path__ if name in os.listdir(folder))
