"""The system everything else stands on: packages, locale, the unprivileged user, the guide's folders."""

from __future__ import annotations

from io import StringIO

from pyinfra.api import deploy
from pyinfra.operations import files, server

from operations import packages
from spec import paths
from spec.distribution import Release, package_names
from spec.packages import SYSTEM


@deploy("System")
def system(release: Release, libraries: tuple[str, ...]) -> None:
    """Packages of `release`, with the `libraries` (Debian 12 names) an application needs; user, folders, locale."""
    packages.installed(name="Install packages", names=package_names((*SYSTEM, *libraries), release))
    files.put(
        name="Set the locale",
        src=StringIO("LANG=C.UTF-8\n"),
        dest="/etc/default/locale",
        user="root",
        group="root",
        mode="644",
    )
    server.group(name=f"Create group {paths.USER}", group=paths.USER)
    server.user(
        name=f"Create user {paths.USER}",
        user=paths.USER,
        group=paths.USER,
        home=paths.HOME,
        shell="/bin/bash",
        create_home=True,
    )
    for folder in ("/app", paths.ETC, paths.CORE_LOGS, paths.PORTAL_LOGS):
        _folder(folder, "root")
    for folder in (paths.MODELS, paths.DEPENDENCIES, paths.WORKSPACE):
        _folder(folder, paths.USER)


def _folder(path: str, owner: str) -> None:
    files.directory(name=f"Create {path}", path=path, user=owner, group=owner, mode="755")
