"""What the service `files` answers, by the first element of what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from visomaster_host.workspace.server import Route
from visomaster_host.workspace.tree import Tree
from visomaster_host.workspace.uploads import Uploads


def routes(root: Path) -> Mapping[str, Route]:
    """The interface to the files below `root`."""
    tree = Tree(root)
    uploads = Uploads(tree)
    return {"uploads": uploads.answer}
