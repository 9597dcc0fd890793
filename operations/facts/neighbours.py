"""Who else is on a box: programs and ports that a host's services would collide with."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from pyinfra.api import FactBase, StringCommand
from visomaster_host import paths, users

from spec.neighbours import Neighbours, PortOwner

_LOOK = (Path(__file__).parents[1] / "remote" / "neighbours.sh").read_text(encoding="utf-8")


class FoundNeighbours(FactBase[Neighbours]):
    """The programs of a box's own supervisord, and who listens on any of `ports`; what this project runs is neither."""

    @staticmethod
    def default() -> Neighbours:
        return Neighbours()

    def command(self, ports: tuple[int, ...]) -> StringCommand:
        words = (
            str(paths.SUPERVISOR_PROGRAMS),
            paths.PROGRAM_PREFIX,
            " ".join(users.LISTENING),
            " ".join(map(str, ports)),
        )
        return StringCommand(shlex.join(["sh", "-c", _LOOK, "neighbours", *words]))

    def process(self, output: Iterable[str]) -> Neighbours:
        programs: dict[str, str] = {}
        owners: dict[int, PortOwner] = {}
        for line in output:
            kind, name, rest = line.split(" ", 2)
            if kind == "program":
                programs[name] = rest
            else:
                process, _, command = rest.partition(" ")
                owners[int(name)] = PortOwner(process=int(process), command=command.strip())
        return Neighbours(programs=programs, owners=owners)
