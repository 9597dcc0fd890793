"""Model files on a host, by the same program that fetches them at first start."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import FunctionCommand, operation
from visomaster_host.variables import OF_A_START

from operations.facts.models import ModelsComplete
from operations.stream import streamed


@operation()
def fetched(manifest: str, link: bool, mirrors: Mapping[str, str]) -> Generator[FunctionCommand]:
    """Bring the required files of the host's `manifest` into the store, each with its sha256, and with `link` make the
    program's tree lead to them. `mirrors` maps URL prefixes to where they are reached.

    Nothing to do when all is verified already. Fails, naming each file and why, when one cannot be had.
    """
    command = fetch_command(manifest, link, mirrors)
    if host.get_fact(ModelsComplete, fetch=command):
        host.noop("all required models are verified")
        return
    yield streamed(shlex.join(command))


def fetch_command(manifest: str, link: bool, mirrors: Mapping[str, str]) -> tuple[str, ...]:
    """The fetcher's command line, for root, whose the store is. The program's user makes the links and sees no token.

    It has the proxies and the HF_TOKEN of whoever runs it, and not what is the business of a start.
    """
    return (
        *("env", *(f"--unset={name}" for name in OF_A_START), "HOME=/"),
        *("visomaster-fetch", "--manifest", manifest, "--link" if link else "--no-link"),
        *(word for origin, mirror in mirrors.items() for word in ("--mirror", f"{origin}={mirror}")),
    )
