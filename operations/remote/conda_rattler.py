"""How rattler comes to this machine, and how it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from operations.remote.conda_errors import InstallationError
from operations.remote.conda_progress import say
from operations.remote.conda_request import Request
from operations.remote.pinned_wheel import NotFetched, fetch_wheel
from operations.remote.uv_settings import configured

SPARE_NONE: list[None] = []
# References to None for rattler to lose, never given back: before Python 3.12, 0.28 gives back one too many with calls
# from Rust (20 for a solve, one a progress event), and an interpreter whose last one goes aborts. None has some 9000.


def provide_rattler(request: Request, work: Path) -> None:
    """Make ``rattler`` importable, from a folder in the work directory."""
    if request.requirements is None:
        return
    say("fetching the installer")
    modules = work / "rattler"
    try:
        with fetch_wheel(request.requirements, request.index, configured(request.prefix or Path(sys.prefix))) as wheel:
            wheel.extractall(modules)
    except (NotFetched, ValueError) as error:
        raise InstallationError(f"cannot fetch the installer: {error}") from None
    sys.path.insert(0, str(modules))


def client() -> Any:
    from rattler.networking import Client

    return Client.default_client(max_retries=3, timeout=60)


def subdir(platform: str) -> Any:
    from rattler import Subdir

    return Subdir(platform)
