"""What the last start of this host was asked for and is not secret: kept by visomaster-start, read by all others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from visomaster_host import paths
from visomaster_host.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is not secret by itself, as text; empty means not given. Kept root-only: a mirror's URL may hold a
    login. `outside_ports` are the ports under which Vast publishes the container's ports, both as text.
    `screen` is the screen's first size, `screen_max` what it may grow to. `vnc_lockout`: an address that tries
    passwords has to wait. `lease_until`, `on_end`, `idle` are what the start says of this machine's end, `lease_api` is
    the address of the API that ends it.
    """

    container_label: str = ""
    portal_config: str = ""
    mirrors: str = ""
    models_dir: str = ""
    public_address: str = ""
    outside_ports: Mapping[str, str] = field(default_factory=dict)
    enable_https: bool = False
    screen: str = ""
    screen_max: str = ""
    vnc_lockout: bool = True
    lease_until: str = ""
    on_end: str = ""
    idle: str = ""
    lease_api: str = ""


def outside_port(port: int, published: Mapping[str, str], container_label: str) -> int | None:
    """Under which port others find `port`: Vast, which labels its containers, tells it of each port that is `published`
    there. None for one that is not; elsewhere nobody tells, and it is taken to be the same.
    """
    if not published and not container_label:
        return port
    return int(published[str(port)]) if str(port) in published else None


def read_settings() -> Settings:
    """The settings of the last start; the defaults when there was none. Raises `Problem` when they are
    unreadable.
    """
    try:
        values = json.loads(paths.SETTINGS.read_text(encoding="utf-8"))
        return Settings(**values)
    except FileNotFoundError:
        return Settings()
    except PermissionError:
        raise Problem(f"{paths.SETTINGS} is readable by root only: run this as root") from None
    except (ValueError, TypeError) as error:
        raise Problem(f"{paths.SETTINGS} is damaged ({error}): it is written anew by the next start") from None
