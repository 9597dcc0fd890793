"""What was unpacked from the distribution's packages without installing them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyinfra.api import FactBase, QuoteString, StringCommand


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """Packages by name with their versions, and the paths kept of them."""

    versions: dict[str, str]
    paths: frozenset[str]


class UnpackedFiles(FactBase[Unpacked]):
    """The record that `operations.debian_files` leaves in the folder; empty when there is none, or where not everybody
    can enter the folder."""

    @staticmethod
    def default() -> Unpacked:
        return Unpacked(versions={}, paths=frozenset())

    def command(self, folder: str) -> StringCommand:
        where, record = QuoteString(folder), QuoteString(f"{folder}/.unpacked")
        public = StringCommand('test -n "$(find', where, '-maxdepth 0 -perm -055)"')
        return StringCommand("if test -e", record, "&&", public, "; then cat", record, "; fi")

    def process(self, output: Iterable[str]) -> Unpacked:
        lines = [line.split() for line in output]
        return Unpacked(
            versions={line[1]: line[2] for line in lines if line[:1] == ["package"]},
            paths=frozenset(line[1] for line in lines if line[:1] == ["path"]),
        )
