"""The program itself."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy
from typing_extensions import assert_never
from visomaster_host import paths, users

from operations import checkout, tree
from spec.program import FolderSource, GitSource, Source


@deploy("Application")
def application(profile: str, source: Source, mirrors: Mapping[str, str]) -> None:
    """The program of `profile`, writable by its user: it keeps thumbnails, outputs and engines beside its code."""
    match source:
        case GitSource(url=url, commit=commit):
            checkout.at_commit(
                name=f"Check out {profile} at {commit[:12]}",
                url=url,
                commit=commit,
                dest=str(paths.PROGRAM),
                user=users.DESKTOP,
                mirrors=mirrors,
            )
            checkout.ignores(
                name="Keep the guide out of git's sight",
                dest=str(paths.PROGRAM),
                pattern=f"/{paths.GUIDE_LINK.relative_to(paths.PROGRAM)}",
                user=users.DESKTOP,
            )
            checkout.readable(name=f"Let everybody read {profile}", dest=str(paths.PROGRAM), user=users.DESKTOP)
        case FolderSource(path=folder, exclude=exclude):
            tree.copied(
                name=f"Copy {profile} from {folder.name}/",
                source=folder,
                dest=str(paths.PROGRAM),
                user=users.DESKTOP,
                group=users.DESKTOP,
                prune="",
                exclude=exclude,
            )
        case _:
            assert_never(source)
