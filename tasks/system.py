"""The system everything else stands on: packages, locale, the unprivileged user, the guide's folders."""

from __future__ import annotations

from pyinfra.api import deploy

from operations import account, file, packages
from spec import paths
from spec.distribution import Release, package_names
from spec.packages import SYSTEM

FOLDERS = {
    **dict.fromkeys(("/app", paths.MODELS, paths.DEPENDENCIES), "root"),
    **dict.fromkeys((paths.ETC, paths.CORE_LOGS, paths.PORTAL_LOGS), "root"),
    paths.WORKSPACE: paths.USER,
}
"""Each with its owner. Models and assets are fetched by root: the program reads them."""


@deploy("System")
def system(release: Release, libraries: tuple[str, ...]) -> None:
    """Packages of `release`, with the `libraries` (Debian 12 names) an application needs; user, folders, locale."""
    packages.installed(name="Install packages", names=package_names((*SYSTEM, *libraries), release))
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
