"""The box that `make rent` ends with: where the rented desktop is opened, how it is ended, what it costs until then."""

from __future__ import annotations

import shlex

from visomaster_host.choices import Access
from visomaster_host.summary import RENTED, Summary
from visomaster_host.way_in import CREDENTIALS, READY

from spec.variant import Variant
from vast.books import Attempt
from vast.boxes import Box
from vast.machine import Key, Machine


def summary(box: Box, attempt: Attempt, variant: Variant, machine: Machine, key: Key) -> Summary:
    """Of `box`, which was handed over and is reached as `machine` by `key`. No port of it is published: all goes over
    SSH."""
    client = "your VNC client" if variant.access is Access.VNC else "your browser"
    host, port = box.endpoint or ("HOST", "PORT")
    where = f"[{host}]" if ":" in host else host
    return Summary(
        title=f"{READY} on {box.name}",
        open=(f"make open BOX={box.id}: a tunnel, and the address for {client}",),
        log_in=(
            "by the address that `make open` shows on a terminal, or with:",
            f"{shlex.join([*machine.ssh_command(), machine.host])} {CREDENTIALS}",
        ),
        stop=(
            f"make end BOX={box.id}: brings workspace/ home, then destroys it",
            f"until then it costs ${attempt.hourly:.3f} an hour",
            RENTED,
        ),
        check=(f"make verify HOST=paramiko://root@{where}:{port} KEY={shlex.quote(str(key.path))}",),
    )
