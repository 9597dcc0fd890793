"""The boxes of a Vast.ai account as an inventory of pyinfra."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from vast.api import URL, Api, read_key
from vast.boxes import read_box
from vast.calls import Calls
from vast.errors import VastError

Group = list[tuple[str, dict[str, object]]]


def groups(
    environment: Mapping[str, str],
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> dict[str, Group]:
    """The reachable boxes of the account whose key `environment` leads to, by group.

    `say` is told, in one line each, of a pause and of the boxes that are left out. Only an account without
    instances gives an empty inventory. Raises `VastError`.
    """
    api = Api(environment.get("VAST_URL") or URL, read_key(environment), say=say, sleep=sleep, clock=clock)
    boxes = [read_box(raw) for raw in Calls(api).instances()]
    absent = ", ".join(f"{box.name} {box.label!r} ({box.absence})" for box in boxes if box.absence)
    found: dict[str, Group] = {}
    for box in boxes:
        if box.absence is None:
            for group in box.groups:
                found.setdefault(group, []).append((box.name, box.host_data()))
    if boxes and not found:
        raise VastError(f"Vast.ai: no instance can be reached: {absent}")
    if absent:
        say(f"Vast.ai: left out: {absent}")
    if not boxes:
        say("Vast.ai: the account has no instances")
    return found
