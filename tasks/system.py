"""The system everything else stands on: packages, locale, the unprivileged user, the guide's folders."""

from __future__ import annotations

from pyinfra.api import deploy

from operations import account, file
from operations import packages as distribution
from spec import paths

FOLDERS = {
    **dict.fromkeys(("/app", paths.MODELS, paths.DEPENDENCIES), "root"),
    **dict.fromkeys((paths.ETC, paths.CORE_LOGS, paths.PORTAL_LOGS), "root"),
    paths.WORKSPACE: paths.USER,
}
"""Each with its owner. Models and assets are fetched by root: the program reads them."""


@deploy("System")
def system(packages: tuple[str, ...]) -> None:
    """The distribution's `packages`, with the libraries an application needs; user, folders, locale."""
    distribution.installed(name="Install packages", names=packages)
    file.written(
        name="Set the locale",
        text="LANG=C.UTF-8\n",
        dest="/etc/default/locale",
        user="root",
        group="root",
        mode="644",
    )
    account.present(name=f"Create user {paths.USER}", user=paths.USER, home=paths.HOME, shell="/bin/bash")
    file.folders(name="Create folders", owners=FOLDERS, mode="755")
