"""How a person reaches the desktop: a VNC client, or a browser through the portal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyinfra.api import deploy
from pyinfra.operations import files
from typing_extensions import assert_never
from visomaster_host import paths, users
from visomaster_host.choices import Access

from operations import account, debian_files, wheels
from operations import packages as distribution

if TYPE_CHECKING:
    from spec.packages import Repository
    from spec.wheels import Wheels


@deploy("Access")
def access(
    kind: Access,
    packages: tuple[str, ...],
    repository: Repository | None,
    unpacked: tuple[str, ...],
    unpacked_paths: tuple[str, ...],
    streaming: Wheels | None,
    index: str,
    mirrors: Mapping[str, str],
) -> None:
    """What `kind` of access needs beside the desktop: the distribution's `packages`, with `repository` where it lacks
    one of them, of the packages `unpacked` these paths alone, and what does the `streaming` from `index`.
    """
    match kind:
        case Access.VNC:
            distribution.installed(name="Install packages", names=packages)
            files.directory(name="Remove the portal's programs", path=str(paths.UNPACKED), present=False)
        case Access.PORTAL:
            if repository:
                distribution.installed(name="Install what checks a key", names=repository.tools)
                distribution.repository(name="Trust Caddy's own repository", wanted=repository, mirrors=mirrors)
            distribution.installed(name="Install packages", names=packages)
            account.system(name=f"Create user {users.PAGES}", user=users.PAGES)
            debian_files.unpacked(
                name=f"Unpack {', '.join(unpacked)}",
                packages=unpacked,
                paths=unpacked_paths,
                dest=str(paths.UNPACKED),
            )
        case _:
            assert_never(kind)
    if streaming:
        wheels.unpacked(
            name="Install Selkies",
            wanted=streaming,
            dest=str(paths.SELKIES),
            index=index,
            mirrors=mirrors,
        )
    else:
        files.directory(name="Remove Selkies", path=str(paths.SELKIES), present=False)
