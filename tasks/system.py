"""The system everything else stands on: packages, locale, the unprivileged user, the guide's folders."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy
from pyinfra.operations import files
from visomaster_host import paths, users

from operations import account, ffmpeg, file
from operations import packages as distribution

_ROOTS = (
    *(paths.APPLICATION, paths.MODELS, paths.DEPENDENCIES),
    *(paths.ETC, paths.SUPERVISOR_LOGS, paths.PORTAL_LOGS),
)
FOLDERS = {**{str(path): "root" for path in _ROOTS}, str(paths.WORKSPACE): users.DESKTOP}
"""Each with its owner. Models and assets are fetched by root: the program reads them."""


@deploy("System")
def system(packages: tuple[str, ...], small_ffmpeg: bool, index: str, mirrors: Mapping[str, str]) -> None:
    """The distribution's `packages`, with the libraries an application needs; user, folders, locale. A `small_ffmpeg`
    of `index` where the distribution's is not among them."""
    refuse_strangers()
    distribution.installed(name="Install packages", names=packages)
    if small_ffmpeg:
        ffmpeg.installed(name="Install ffmpeg", dest=str(paths.FFMPEG), index=index, mirrors=mirrors)
    else:
        files.directory(name="Leave ffmpeg to the distribution", path=str(paths.FFMPEG), present=False)
    file.written(
        name="Set the locale",
        text="LANG=C.UTF-8\n",
        dest=str(paths.LOCALE),
        user="root",
        group="root",
        mode="644",
    )
    account.present(
        name=f"Create user {users.DESKTOP}",
        user=users.DESKTOP,
        number=users.DESKTOP_ID,
        home=str(paths.HOME),
        shell="/bin/bash",
        folders=tuple(str(path) for path in paths.OF_DESKTOP),
    )
    file.folders(name="Create folders", owners=FOLDERS, mode="755")


def refuse_strangers() -> None:
    """Raise `DeployError` where somebody else has the number of the unprivileged user."""
    account.refuse_strangers(users.DESKTOP, users.DESKTOP_ID)
