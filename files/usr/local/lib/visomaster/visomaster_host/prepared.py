"""Whether visomaster-start has prepared this machine, and for what."""

from __future__ import annotations

from visomaster_host import container, paths
from visomaster_host.files import ROOT, write_atomic
from visomaster_host.host import Host


def is_prepared(host: Host) -> bool:
    """Whether visomaster-start has prepared this machine for what `host` is now, not for another variant before it."""
    try:
        return paths.PREPARED.read_text(encoding="utf-8") == _signature(host)
    except FileNotFoundError:
        return False


def say_so(host: Host) -> None:
    """Write down that this machine is prepared for `host`. To be called last: services that a running supervisord has
    started already wait for it."""
    write_atomic(paths.PREPARED, _signature(host).encode(), mode=0o644, owner=ROOT)


def _signature(host: Host) -> str:
    """All of `host` that its preparation depends on, which preparation this is (an older one made other folders), and
    in which container: the file is in a copy of it, too."""
    return f"{host.access} {host.port} {host.tls_port} {host.screen} {host.display} 5 {container.identity()}\n"
