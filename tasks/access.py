"""How a person reaches the desktop: a VNC client, or a browser through the portal."""

from __future__ import annotations

from pyinfra.api import deploy
from pyinfra.api.exceptions import DeployError
from typing_extensions import assert_never

from operations import packages
from spec.distribution import Release, package_names
from spec.packages import VNC
from spec.variant import Access


@deploy("Access")
def access(release: Release, kind: Access) -> None:
    """What `kind` of access needs beside the desktop."""
    match kind:
        case Access.VNC:
            packages.installed(name="Install packages", names=package_names(VNC, release))
        case Access.PORTAL:
            raise DeployError("variant: portal access is not built yet, expected variant=default")
        case _:
            assert_never(kind)
