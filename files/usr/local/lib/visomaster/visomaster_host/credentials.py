"""Tell how to log in to this host: visomaster-credentials [--address | --json] [--new | --set]

For root only. Prints the address and password of the VNC desktop and the SHA-256 of its certificate, to be compared
with what a viewer shows; or the portal's addresses with its token, and the base below which a browser finds its pages,
for services that have to know it.
--address prints where the desktop is reached, and no secret.
--new makes another password or token first, --set takes one from the standard input; whoever is logged in is logged
out. A VNC_PASSWORD or OPEN_BUTTON_TOKEN in the container's own environment is taken again when the container starts.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from urllib.parse import quote

from visomaster_host import beneath, environment, paths, supervisor
from visomaster_host.addresses import address, tls_address
from visomaster_host.choices import Access, Screen
from visomaster_host.host import Host, read_host
from visomaster_host.login import USER, login_for
from visomaster_host.problems import Problem, reporting
from visomaster_host.services import services_of
from visomaster_host.settings import Settings, read_settings
from visomaster_host.store import PORTAL_TOKEN, VNC_PASSWORD, read_secret
from visomaster_host.text import printable

_BEGIN = "-----BEGIN CERTIFICATE-----"
_CERTIFICATE_MOST = 64 * 1024  # bytes; a chain has some 5000


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


def fingerprint(host: Host) -> str | None:
    """The SHA-256 of the certificate with which a VNC server of `host` answers, as viewers show it; None where it has
    none.
    """
    if host.screen != Screen.TIGERVNC:
        return None
    try:
        pem = beneath.read(paths.VNC_CERTIFICATE, _CERTIFICATE_MOST).decode("ascii", "replace")
        return sha256_of(pem)
    except (OSError, ValueError):
        return None


def sha256_of(pem: str) -> str:
    """The SHA-256 of the first certificate in `pem`, as pairs of digits. Raises ValueError where there is none."""
    begun = pem.index(_BEGIN) + len(_BEGIN)
    der = base64.b64decode("".join(pem[begun : pem.index("-----END", begun)].split()), validate=True)
    return hashlib.sha256(der).digest().hex(":").upper()


def credentials(host: Host, settings: Settings, secret: str) -> dict[str, str]:
    """What a person needs, in the order it is needed."""
    where = address(host, settings)
    if host.access == Access.VNC:
        told = {"address": where, "password": secret}
        return told | ({"certificate": shown} if (shown := fingerprint(host)) else {})
    query = f"?token={quote(secret, safe='')}"
    over_tls = tls_address(host, settings)
    urls = {"url": where + query} | ({"https": over_tls + query} if over_tls else {})
    return {**urls, "user": USER, "token": secret, "base": f"/~{login_for(secret, '').path}/"}
