"""From specs and channels to a lock, and from a lock to the records of its packages."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operations.remote.conda_errors import InstallationError, cause, translated
from operations.remote.conda_lock import INPUTS, inputs_digest
from operations.remote.conda_rattler import client, subdir
from operations.remote.conda_request import Request
from operations.remote.mirrors import swap_prefix

if TYPE_CHECKING:
    from rattler import Gateway, RepoDataRecord

# What a lock for every host may count on: the oldest distribution supported (Ubuntu 22.04: glibc 2.35, Linux
# 5.15), not the machine that happens to solve. A solve for one host counts on that host's own glibc.
VIRTUAL_PACKAGES = {"__unix": ("0", "0"), "__linux": ("5.15", "0"), "__glibc": ("2.35", "0")}
ARCHSPEC = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}


async def solve(request: Request, work: Path) -> str:
    """The text of a lock for the request's specs, channels and platform, with canonical URLs."""
    from rattler import Channel, ChannelPriority, Gateway, solve

    canonical = [Channel(channel).base_url for channel in request.channels]
    reached = [swap_prefix(url, request.mirrors) for url in canonical]
    gateway = Gateway(cache_dir=work / "repodata", client=client())
    offered = await names_offered(gateway, canonical, reached, request.platform)
    with translated("cannot solve"):
        records = await solve(
            reached,
            request.specs,
            gateway=gateway,
            platforms=[subdir(request.platform), subdir("noarch")],
            virtual_packages=_virtual_packages(request),
            channel_priority=ChannelPriority.Strict,
            channel_relations="disabled",
        )
    from_first_channel(((record.name.normalized, record.url) for record in records), offered)
    return lock_text(records, dict(zip(reached, canonical, strict=True)), request)


async def names_offered(
    gateway: Gateway, canonical: Sequence[str], reached: Sequence[str], platform: str
) -> dict[str, set[str]]:
    """URL -> names of packages of each channel, the strongest first.

    Raises ``InstallationError`` naming the channel that cannot be read: the solver's does not.
    """
    from rattler.exceptions import GatewayError

    offered = {}
    for name, url in zip(canonical, reached, strict=True):
        try:
            found = await gateway.names([url], [subdir(platform), subdir("noarch")])
            offered[url] = {package.normalized for package in found}
        except GatewayError as error:
            where = name if name == url else f"{name} (through its mirror)"
            raise InstallationError(f"cannot read the channel {where}: {cause(error)}") from error
    return offered


def from_first_channel(packages: Iterable[tuple[str, str]], offered: Mapping[str, Collection[str]]) -> None:
    """Raises ``InstallationError`` for a package (name, URL) whose name a stronger channel has as well.

    The solver's strict priority looks at versions that a spec allows: where a stronger channel has none of them, it
    takes a weaker one's, and whoever may publish there could answer for any name.
    """
    for name, url in packages:
        for channel, names in offered.items():
            if url.startswith(f"{channel.rstrip('/')}/"):
                break
            if name in names:
                raise InstallationError(f"cannot solve: {name} is not taken from {url}: a channel before has the name")


def lock_text(records: Sequence[RepoDataRecord], canonical: Mapping[str, str], request: Request) -> str:
    """The records as a lock whose first line says what it was solved for; ``canonical``: reached -> canonical
    URL."""
    from rattler import LockChannel, LockFile, LockPlatform

    platform = LockPlatform(request.platform)
    lock = LockFile([platform])
    lock.set_channels("default", [LockChannel(url) for url in canonical.values()])
    for record in records:
        record.url = swap_prefix(record.url, canonical)
        record.channel = swap_prefix(record.channel, canonical)
        lock.add_conda_package("default", platform, record)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "lock"
        lock.to_path(path)
        return f"{INPUTS}{inputs_digest(request.specs, request.channels)}\n{path.read_text(encoding='utf-8')}"


def records_of(lock: str, platform: str, work: Path) -> list[RepoDataRecord]:
    """The lock's packages for the platform; ``InstallationError`` when it has none or cannot be read."""
    from rattler import LockFile

    path = work / "wanted.lock"
    path.write_text(lock, encoding="utf-8")
    with translated("cannot read the lock"):
        environment = LockFile.from_path(path).default_environment()
    records = environment.conda_repodata_records().get(platform) if environment else None
    if not records:
        raise InstallationError(f"the lock has no packages for {platform}")
    return records


def _virtual_packages(request: Request) -> list[Any]:
    from rattler import GenericVirtualPackage, PackageName, Version
    from rattler.package import BuildString

    assumed = {**VIRTUAL_PACKAGES, "__archspec": ("1", ARCHSPEC[request.platform])}
    if request.prefix is not None:
        assumed["__glibc"] = (platform.libc_ver()[1] or assumed["__glibc"][0], "0")
    return [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
        for name, (version, build) in assumed.items()
    ]
