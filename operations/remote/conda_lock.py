"""Locks of Conda environments as texts: what one was solved for, and what it holds.

Standard library only: the controller reads locks too, and neither side has a YAML parser.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

INPUTS = "# inputs: sha256:"
PLATFORMS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}


def inputs_digest(specs: Sequence[str], channels: Sequence[str]) -> str:
    """The digest (64 hex) of what a lock is solved for. The order of channels counts, that of specs not."""
    inputs = {"specs": sorted(specs), "channels": [channel.rstrip("/") for channel in channels]}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def lock_inputs(lock: str) -> str | None:
    """The digest of the inputs the lock (its text) says it was solved for; None when it says nothing."""
    found = re.match(re.escape(INPUTS) + r"([0-9a-f]{64})$", lock.partition("\n")[0])
    return found[1] if found else None


def lock_platforms(lock: str) -> tuple[str, ...]:
    """The platforms the lock (its text) has packages for.

    Read by lines, as rattler writes them (rattler-lock versions 6 and 7).
    """
    return tuple(re.findall(r"^      ([a-z0-9-]+):$", lock.partition("\npackages:\n")[0], re.MULTILINE))


def locked_packages(lock: str) -> dict[str, str]:
    """Archive name -> sha256 of every Conda package in the lock (its text, for one platform).

    Raises ``ValueError`` when a package has no sha256: it could be neither compared nor trusted.
    """
    packages = {}
    for entry in re.split(r"^- conda: ", lock.partition("\npackages:\n")[2], flags=re.MULTILINE)[1:]:
        url = entry.split(None, 1)[0]
        digest = re.search(r"^  sha256: ([0-9a-f]{64})$", entry, re.MULTILINE)
        if digest is None:
            raise ValueError(f"lock: {url} has no sha256")
        packages[url.rpartition("/")[2]] = digest[1]
    return packages
