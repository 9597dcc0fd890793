"""What was started on a host beside all else, and what it may have brought."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import FactBase, QuoteString, StringCommand
from visomaster_host import paths
from visomaster_host.fetch.store import Layout

_MARKER = Layout(store=paths.MODELS, tree=paths.PROGRAM, dependencies=paths.DEPENDENCIES).marker.name


class Started(FactBase[bool]):
    """Whether it is noted in `folder` that something was started."""

    @staticmethod
    def default() -> bool:
        return False

    def command(self, folder: str) -> StringCommand:
        return StringCommand("if test -d", QuoteString(folder), "; then echo started; fi")

    def process(self, output: Iterable[str]) -> bool:
        return "started" in output


class FetchedManifest(FactBase[str]):
    """The digest of the manifest whose required files were all in the store when that was last looked at; empty where
    there is none. Cheap: the fetcher's own answer takes a start of Python."""

    @staticmethod
    def default() -> str:
        return ""

    def command(self) -> StringCommand:
        own, usual = paths.MODEL_STORE / _MARKER, paths.MODELS / _MARKER
        # A store may be a folder of others, who could put a pipe there: it is not waited for.
        read = "dd iflag=nonblock bs=4096 count=1 status=none 2>/dev/null"
        return StringCommand(f"if test -L {paths.MODEL_STORE}; then {read} if={own}; else {read} if={usual}; fi; echo")

    def process(self, output: Iterable[str]) -> str:
        return "".join(output).strip()
