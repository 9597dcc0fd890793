"""Tell how to log in to this host: visomaster-credentials [--address | --json] [--new | --set]

For root only. Prints the address and password of the VNC desktop, or the portal's addresses with its token, and the
base below which a browser finds its pages, for services that have to know it.
--address prints where the desktop is reached, and no secret.
--new makes another password or token first, --set takes one from the standard input; whoever is logged in is logged
out. A VNC_PASSWORD or OPEN_BUTTON_TOKEN in the container's own environment is taken again when the container starts.
"""

from __future__ import annotations

import argparse
import json
import sys
from urllib.parse import quote

from visomaster_host import environment, paths, supervisor
from visomaster_host.choices import Access
from visomaster_host.host import Host, read_host
from visomaster_host.login import USER, login_for
from visomaster_host.problems import Problem, reporting
from visomaster_host.services import services_of
from visomaster_host.settings import Settings, outside_port, read_settings
from visomaster_host.store import PORTAL_TOKEN, VNC_PASSWORD, read_secret
from visomaster_host.text import printable

UNKNOWN_ADDRESS = "ADDRESS-OF-THIS-HOST"


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-credentials; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="visomaster-credentials",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--address", action="store_true", help="print where the desktop is reached, and no secret")
    shown.add_argument("--json", action="store_true", help="print one JSON object")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--new", action="store_true", help="make another password or token first")
    change.add_argument("--set", action="store_true", help="take another one from the standard input first")
    arguments = parser.parse_args(argv)

    def run() -> int:
        host = read_host()
        if arguments.new or arguments.set:
            replace(host, sys.stdin.readline().rstrip("\r\n") if arguments.set else None)
        if arguments.address:
            print(printable(address(host, read_settings())))
            return 0
        return tell(host, as_json=arguments.json)

    return reporting("visomaster-credentials", run)


def replace(host: Host, wanted: str | None) -> None:
    """Make `wanted`, or a generated secret, the one that `host` asks for from now on. Raises `Problem`."""
    stored(host)
    environment.renew(host, wanted)
    if supervisor.is_listening():  # the services read the old one when they started
        for service in services_of(host):
            if service.given_secret == host.access:
                supervisor.restart(service.name)


def tell(host: Host, *, as_json: bool) -> int:
    """Print the credentials. Raises `Problem` unless root asks and the host was started once."""
    found = credentials(host, read_settings(), stored(host))
    if as_json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(printable(f"{name}: {value}"))
    return 0


def stored(host: Host) -> str:
    """The secret that `host` asks for. Raises `Problem` unless root asks and the host was started once."""
    secret = read_secret(VNC_PASSWORD if host.access == Access.VNC else PORTAL_TOKEN)
    if secret is None:
        raise Problem(f"no credentials in {paths.SECRETS} yet: run visomaster-start first")
    return secret


def address(host: Host, settings: Settings) -> str:
    """Where a VNC client or a browser finds the desktop. The address outside is known on Vast only."""
    found = settings.public_address or f"{UNKNOWN_ADDRESS}:{host.port}"
    if host.access == Access.VNC:
        return found
    return f"{'https' if settings.enable_https else 'http'}://{found}/"


def tls_address(host: Host, settings: Settings) -> str | None:
    """Where a browser finds the portal over TLS, whatever ENABLE_HTTPS says; None where that port is not published."""
    port = outside_port(host.tls_port, settings.outside_ports, settings.container_label)
    return f"https://{settings.public_address.rpartition(':')[0] or UNKNOWN_ADDRESS}:{port}/" if port else None


def credentials(host: Host, settings: Settings, secret: str) -> dict[str, str]:
    """What a person needs, in the order it is needed."""
    where = address(host, settings)
    if host.access == Access.VNC:
        return {"address": where, "password": secret}
    query = f"?token={quote(secret, safe='')}"
    over_tls = tls_address(host, settings)
    urls = {"url": where + query} | ({"https": over_tls + query} if over_tls else {})
    return {**urls, "user": USER, "token": secret, "base": f"/~{login_for(secret, '').path}/"}
