"""The system everything else stands on: packages, locale, the unprivileged user, the guide's folders."""

from __future__ import annotations

from pyinfra.api import deploy
from visomaster_host import paths, users

from operations import account, file, packages
from spec.distribution import Release, package_names
from spec.packages import SYSTEM

_ROOTS = (
    *(paths.APPLICATION, paths.MODELS, paths.DEPENDENCIES),
    *(paths.ETC, paths.SUPERVISOR_LOGS, paths.PORTAL_LOGS),
)
FOLDERS = {**{str(path): "root" for path in _ROOTS}, str(paths.WORKSPACE): users.DESKTOP}
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
    account.present(name=f"Create user {users.DESKTOP}", user=users.DESKTOP, home=str(paths.HOME), shell="/bin/bash")
    file.folders(name="Create folders", owners=FOLDERS, mode="755")
