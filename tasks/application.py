"""The program itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra import host, logger
from pyinfra.api import deploy
from typing_extensions import assert_never
from visomaster_host import paths, users
from visomaster_host.kept import linking

from operations import checkout, file, tree
from spec.program import FolderSource, GitSource, Source


@deploy("Application")
def application(profile: str, source: Source, kept: Sequence[str], mirrors: Mapping[str, str]) -> None:
    """The program of `profile`, writable by its user. What it keeps, at the paths `kept`, is linked to elsewhere when
    it starts, and no change of the checkout."""
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
                name="Keep guide and state out of git's sight",
                dest=str(paths.PROGRAM),
                patterns=[checkout.pattern_of(path) for path in (paths.GUIDE_LINK.name, linking.OURS, *kept)],
                user=users.DESKTOP,
            )
            checkout.readable(name=f"Let everybody read {profile}", dest=str(paths.PROGRAM), user=users.DESKTOP)
        case FolderSource(path=folder, exclude=exclude):
            if left := source.left_behind(kept):
                host.log_styled(left, log_func=logger.warning, fg="yellow")
            tree.followed(
                name=f"Copy {profile} from {folder.name}/",
                source=folder,
                exclude=exclude,
                kept=kept,
                fingerprint=source.fingerprint(kept),
                dest=str(paths.PROGRAM),
                user=users.DESKTOP,
                listing=str(paths.PROGRAM_FILES),
            )
            file.written(
                name="Note what was copied",
                text=tree.listed(source.files(kept)),
                dest=str(paths.PROGRAM_FILES),
                user="root",
                group="root",
                mode="644",
            )
        case _:
            assert_never(source)
