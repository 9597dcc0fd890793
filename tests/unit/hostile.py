"""Somebody else on the same host, who lays links in root's way. What needs it needs root."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "daemon"
"""Every Debian has it, and a group of that name."""
UID = 1

SYSTEM_PYTHON = "/usr/bin/python3"  # the running one may lie in root's home

EXCHANGE = """
import ctypes, os, sys
place, spare, target = (os.fsencode(name) for name in sys.argv[1:])
os.symlink(target, spare)
libc, both = ctypes.CDLL(None), 2
print("exchanging", flush=True)
while True:
    libc.renameat2(-100, place, -100, spare, both)
"""


def give(*folders: Path) -> None:
    """Let somebody else have these folders, and the way to them."""
    assert os.geteuid() == 0, "needs root"
    for folder in folders:
        folder.mkdir(exist_ok=True)
        os.chown(folder, UID, UID)
        for above in folder.parents:
            if above.name.startswith(("pytest-", "test_")):
                above.chmod(0o755)


@contextmanager
def exchanging(place: Path, spare: Path, target: Path) -> Iterator[None]:
    """`place` is itself and a link to `target` by turns, as fast as it goes."""
    command = [SYSTEM_PYTHON, "-c", EXCHANGE, str(place), str(spare), str(target)]
    who = {"user": UID, "group": UID, "extra_groups": []}
    with subprocess.Popen(command, stdout=subprocess.PIPE, **who) as process:
        assert process.stdout is not None and process.stdout.readline()
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL)
