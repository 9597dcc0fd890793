"""Packages of the distribution, installed so that nothing starts and nothing needless stays."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

from pyinfra import host
from pyinfra.api import FunctionCommand, operation

from operations import apt, remote
from operations.facts.dpkg import KEY, AptSources, MissingPackages
from operations.remote.mirrors import swap_prefix
from operations.stream import streamed

if TYPE_CHECKING:
    from spec.packages import Repository

_INSTALL = apt.script("apt_install.sh")
_REPOSITORY = (remote.HERE / "apt_repository.sh").read_text(encoding="utf-8")


@operation()
def installed(names: tuple[str, ...]) -> Generator[FunctionCommand]:
    """Install the packages `names` with apt, without recommended ones.

    Services of the packages do not start. apt's lists and cache are left as they were found: an image has
    neither, a workstation keeps its own.
    """
    missing = host.get_fact(MissingPackages, names=names)
    if not missing:
        host.noop(f"{len(names)} packages are installed")
        return
    yield streamed(install_command(missing))


@operation()
def repository(wanted: Repository, mirrors: Mapping[str, str]) -> Generator[FunctionCommand]:
    """Let apt take packages from `wanted`, whose key must have the stated fingerprint.

    `mirrors` maps URL prefixes to where they are reached. Needs curl and gpg on the host. A key that is another one is
    refused before anything is written.
    """
    sources = sources_text(wanted, mirrors)
    if host.get_fact(AptSources, repository=wanted.name) == sources:
        host.noop(f"apt knows {wanted.name}")
        return
    words = (wanted.name, swap_prefix(wanted.key_url, mirrors), wanted.fingerprint, sources)
    yield streamed(shlex.join(["sh", "-c", _REPOSITORY, "apt-repository", *words]))


def sources_text(wanted: Repository, mirrors: Mapping[str, str]) -> str:
    """The repository in apt's deb822 form, see sources.list(5). A suite that ends in a slash has no component."""
    fields = {
        "Types": "deb",
        "URIs": swap_prefix(wanted.url, mirrors),
        "Suites": wanted.suite,
        "Components": wanted.component,
        "Signed-By": KEY.format(wanted.name),
    }
    lines = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    return f"# Its key has the fingerprint {wanted.fingerprint}.\n{lines}"


def install_command(names: list[str]) -> str:
    """The shell command that installs `names`: one script, so that its guards hold together."""
    return shlex.join(["sh", "-c", _INSTALL, "apt-install", *names])
