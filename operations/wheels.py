"""Python packages in a folder of their own, without an environment: what one program on a host is made of.

The folder is replaced as a whole, and only when the set, or what is kept of it, is another one than it was made from;
when the distribution's Python is another one; and when anything in it is no longer as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand

from operations import remote
from operations.facts.wheels import WheelsMadeFrom
from operations.remote.mirrors import swap_prefix
from operations.stream import refused
from spec import requirements

if TYPE_CHECKING:
    from spec.wheels import Wheels


@operation()
def unpacked(wanted: Wheels, dest: str, index: str, mirrors: Mapping[str, str]) -> Generator[FunctionCommand]:
    """Put the packages `wanted` below the folder `dest`, owned by root, for the distribution's Python.

    + index: where they come from: a URL, or `default`, what the host's pip is configured for
    + mirrors: URL prefixes FROM -> TO for the index

    Refused: a set that is malformed, or in which a package has no hash.
    """
    text = wanted.file.read_text(encoding="utf-8-sig")
    try:
        count = checked(text, wanted.file.name)
    except ValueError as error:
        yield refused(str(error))
        return
    digest = made_from(text, wanted)
    if host.get_fact(WheelsMadeFrom, folder=dest) == digest:
        host.noop(f"{dest} has the {count} packages of {wanted.file.name}")
        return
    request = {
        "dest": dest,
        "text": text,
        "name": wanted.file.name,
        "without": list(wanted.without),
        "borrowed": dict(wanted.borrowed),
        "index": swap_prefix(index, mirrors),
        "uv": remote.text("uv.txt"),
        "made_from": digest,
    }
    yield remote.job("wheels", request)


def checked(text: str, name: str) -> int:
    """The number of packages in the set `text`. Raises ``ValueError`` naming `name` and what is wrong."""
    every = requirements.parse(text, name)
    for one in every:
        if not one.is_locked:
            raise ValueError(f"{name}: {one.requirement}: expected one version and its hashes: run `make lock`")
    return len(every)


def made_from(text: str, wanted: Wheels) -> str:
    """One sha256 over all that decides what is in the folder."""
    kept = json.dumps([text, list(wanted.without), dict(wanted.borrowed)])
    return hashlib.sha256(kept.encode()).hexdigest()
