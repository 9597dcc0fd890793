"""A box that has services of its own: what of them a host cannot live with, and how that is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from visomaster_host.text import brief


@dataclass(frozen=True, kw_only=True)
class PortOwner:
    """The process that listens on a port; 0 when it could not be found. `command` is its command line."""

    process: int
    command: str

    def __str__(self) -> str:
        """As a person is told of it."""
        if not self.process:
            return "a process that cannot be seen from here"
        return f"process {self.process} ({brief(self.command, 80)})"


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Somebody else's supervisor programs, each with its file, and the owners of ports we asked about."""

    programs: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[int, PortOwner] = field(default_factory=dict)

    def refuse(self, *, public: Collection[int], internal: Collection[int], services: Collection[str]) -> None:
        """Raise `ValueError`, one line, when a host with these `public` and `internal` ports and `services` has no
        room here."""
        for setting, number in zip(("port", "tls_port"), public, strict=False):
            if number in self.owners:
                raise ValueError(
                    f"{setting}: {number} is taken by {self.owners[number]}: stop it, or choose another port with"
                    f" --data {setting}=NUMBER"
                )
        for number in internal:
            if number in self.owners:
                raise ValueError(
                    f"port {number}, which this variant needs on loopback, is taken by {self.owners[number]}: stop it"
                )
        for name in services:
            if name in self.programs:
                raise ValueError(
                    f"service {name}: {brief(self.programs[name])} has a program of this name already:"
                    " rename that, or choose a variant without this service"
                )
