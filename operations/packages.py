"""Packages of the distribution, installed so that nothing starts and nothing needless stays."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api import FunctionCommand, operation

from operations.facts.dpkg import MissingPackages
from operations.stream import streamed

_INSTALL = (Path(__file__).parent / "remote" / "apt_install.sh").read_text(encoding="utf-8")


@operation()
def installed(names: tuple[str, ...]) -> Generator[FunctionCommand]:
    """Install the packages `names` with apt, without recommended ones.

    Services of the packages do not start. apt's lists and cache are left as they were found: an image has
    neither, a workstation keeps its own.
    """
    missing = host.get_fact(MissingPackages, names=names)
    if not missing:
        host.noop(f"{len(names)} packages are installed")
        return
    yield streamed(install_command(missing))


def install_command(names: list[str]) -> str:
    """The shell command that installs `names`: one script, so that its guards hold together."""
    return shlex.join(["sh", "-c", _INSTALL, "apt-install", *names])
