"""Tell how to log in to this host: visomaster-credentials [--json]

For root only. Prints the address and password of the VNC desktop, or the portal's address with its token.
"""

from __future__ import annotations

import json
import sys

from visomaster_host import paths
from visomaster_host.environment import Settings, read_settings
from visomaster_host.host import Host, read_host
from visomaster_host.problems import Problem, reporting
from visomaster_host.store import PORTAL_TOKEN, VNC_PASSWORD, read_secret


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-credentials; returns its exit status."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="visomaster-credentials",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args(argv)
    return reporting("visomaster-credentials", lambda: tell(as_json=arguments.json))


def tell(*, as_json: bool) -> int:
    """Print the credentials. Raises `Problem` unless root asks and the host was started once."""
    host = read_host()
    secret = read_secret(VNC_PASSWORD if host.access == "vnc" else PORTAL_TOKEN)
    if secret is None:
        raise Problem(f"no credentials in {paths.SECRETS} yet: run visomaster-start first")
    found = credentials(host, read_settings(), secret)
    if as_json:
        print(json.dumps(found))
    else:
        sys.stdout.writelines(f"{name}: {value}\n" for name, value in found.items())
    return 0


def credentials(host: Host, settings: Settings, secret: str) -> dict[str, str]:
    """What a person needs, in the order it is needed. The address outside is known on Vast only."""
    address = settings.public_address or f"ADDRESS-OF-THIS-HOST:{host.port}"
    if host.access == "vnc":
        return {"address": address, "password": secret}
    from urllib.parse import quote

    scheme = "https" if settings.enable_https else "http"
    return {"url": f"{scheme}://{address}/?token={quote(secret, safe='')}", "user": "vastai", "token": secret}
