"""What the service `files` answers, by the first element of what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from visomaster_host.workspace.archive import Archive
from visomaster_host.workspace.download import Download
from visomaster_host.workspace.home.routes import Home, told_previous
from visomaster_host.workspace.listing import Listing
from visomaster_host.workspace.manage import Manage
from visomaster_host.workspace.server import Route
from visomaster_host.workspace.summary import Summary
from visomaster_host.workspace.tree import Tree
from visomaster_host.workspace.uploads import Uploads


def routes(root: Path) -> Mapping[str, Route]:
    """The interface to the files below `root`."""
    tree = Tree(root)
    manage, uploads, home = Manage(tree), Uploads(tree), Home(tree)
    return {
        "delete": manage.delete,
        "file": Download(tree).answer,
        "folder": manage.folder,
        "list": Listing(tree).answer,
        "move": manage.move,
        "previous": home.previous,
        "rename": manage.rename,
        "restore": home.restore,
        "state": home.state,
        "summary": Summary(tree, uploads.unfinished, told_previous).answer,
        "uploads": uploads.answer,
        "zip": Archive(tree).answer,
    }
