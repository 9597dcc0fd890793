"""How a person reaches the desktop: a VNC client, or a browser through the portal."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy
from pyinfra.operations import files
from typing_extensions import assert_never
from visomaster_host import paths, users
from visomaster_host.choices import Access

from operations import account, debian_files, packages
from spec.distribution import Release, package_names
from spec.packages import (
    CADDY,
    LACKS_CADDY,
    PORTAL,
    PORTAL_UNPACKED,
    PORTAL_UNPACKED_PATHS,
    REPOSITORY_TOOLS,
    VNC,
)


@deploy("Access")
def access(release: Release, kind: Access, mirrors: Mapping[str, str]) -> None:
    """What `kind` of access needs beside the desktop."""
    match kind:
        case Access.VNC:
            packages.installed(name="Install packages", names=package_names(VNC, release))
            files.directory(name="Remove the portal's programs", path=str(paths.UNPACKED), present=False)
        case Access.PORTAL:
            if release in LACKS_CADDY:
                packages.installed(name="Install what checks a key", names=REPOSITORY_TOOLS)
                packages.repository(name="Trust Caddy's own repository", wanted=CADDY, mirrors=mirrors)
            packages.installed(name="Install packages", names=package_names(PORTAL, release))
            account.system(name=f"Create user {users.PAGES}", user=users.PAGES)
            debian_files.unpacked(
                name="Unpack noVNC and websockify",
                packages=PORTAL_UNPACKED,
                paths=PORTAL_UNPACKED_PATHS,
                dest=str(paths.UNPACKED),
            )
        case _:
            assert_never(kind)
