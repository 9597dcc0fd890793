"""What the portal's first page says of a person's files."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from visomaster_host import paths
from visomaster_host.workspace.exchange import Answer, Refused, Request, as_json, only
from visomaster_host.workspace.listing import Entry, entries_of
from visomaster_host.workspace.space import space
from visomaster_host.workspace.tree import Tree

NEWEST = 5
"""Results that are shown."""
DEEPEST = 2
"""Folders within one another that are looked through for results."""
SETTLED = 10
"""Seconds since a result was written to last: nobody is writing it any more."""
FRESH = 5.0
"""Seconds for which what was found is good: many pages may ask, and a folder may hold 10,000 pictures."""

_OUT = (paths.OUTPUT.name,)


class Summary:
    """`GET summary`. `uploads` are those that are not done, `previous` is what is said of the workspace before."""

    def __init__(
        self,
        tree: Tree,
        uploads: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
        previous: Callable[[], Mapping[str, Any] | None] = lambda: None,
    ) -> None:
        self._tree, self._uploads, self._previous = tree, uploads, previous
        self._found: tuple[float, list[dict[str, Any]]] | None = None

    def answer(self, request: Request) -> Answer:
        """The summary. Raises `Refused`."""
        only(request, "GET", "HEAD")
        with self._tree.folder(()) as root:
            room = space(root)
        return as_json(
            {
                "space": room.told(),
                "uploads": list(self._uploads()),
                "results": self._results(),
                "previous": self._previous(),
            }
        )

    def _results(self) -> list[dict[str, Any]]:
        now = time.monotonic()
        if self._found is None or now - self._found[0] >= FRESH:
            self._found = now, newest(self._tree, time.time() - SETTLED)
        return self._found[1]


def newest(tree: Tree, before: float) -> list[dict[str, Any]]:
    """The newest files of `out` that were written before `before` (seconds since 1970), newest first."""
    until = before * 1000
    settled = (found for found in _files(tree, _OUT, DEEPEST) if found[1].modified <= until)
    best = heapq.nlargest(NEWEST, settled, key=lambda found: found[1].modified)
    return [{"path": path, "size": entry.size, "modified": entry.modified} for path, entry in best]


def _files(tree: Tree, elements: tuple[str, ...], depth: int) -> Iterator[tuple[str, Entry]]:
    """The files of a folder and of those in it, with their paths; what cannot be read has none."""
    try:
        with tree.folder(elements) as folder:
            entries, _, _ = entries_of(folder)
    except Refused:
        return
    for entry in entries:
        inner = (*elements, entry.name)
        if entry.kind == "file":
            yield "/".join(inner), entry
        elif depth > 1:
            yield from _files(tree, inner, depth - 1)
