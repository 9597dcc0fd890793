"""Python compiled when it is installed, not at every start of a fresh container."""

from __future__ import annotations

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation
from visomaster_host import paths

from operations.facts.bytecode import StaleBytecode


@operation()
def compiled(folder: str) -> Generator[StringCommand]:
    """Compile the Python files below `folder` for the distribution's python3.

    A program that runs as root would write the bytecode itself at its first start, but into the container: each new one
    would pay for it again.
    """
    stale = host.get_fact(StaleBytecode, folder=folder)
    if not stale:
        host.noop(f"{folder} is compiled")
        return
    where = shlex.quote(folder)
    yield StringCommand(f"find {where} -type d -name __pycache__ -exec chmod 755 {{}} +")
    yield StringCommand(f"{paths.SYSTEM_PYTHON} -I -m compileall -f -q {where}")
