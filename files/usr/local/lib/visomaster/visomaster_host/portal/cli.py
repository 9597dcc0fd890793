"""The portal's own program: visomaster-portal serve | check | apply

serve   answer the portal's pages on 127.0.0.1:11112 (a supervised service, as the desktop's user)
check   say whether PORTAL_CONFIG, from the environment, can be used; changes nothing
apply   check what this host was started with and restart Caddy with it (as root)
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from visomaster_host import paths
from visomaster_host.portal.report import Check
from visomaster_host.problems import Problem, reporting

PAGES_PORT = 11112

_RESTART_TIMEOUT = 60  # seconds


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-portal; returns 0, 1 with one line on stderr, or 2 for a wrong argument."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="visomaster-portal", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = {"serve": serve, "check": check, "apply": apply_settings}
    parser.add_argument("command", choices=commands)
    return reporting("visomaster-portal", commands[parser.parse_args(argv).command])


def serve() -> int:
    """Answer the portal's pages until the process is ended."""
    from visomaster_host.portal import pages
    from visomaster_host.portal.report import Readiness, Sources

    if os.getuid() == 0:
        raise Problem("serve: expected to run as the desktop's user, got root: the pages need no such rights")
    site = pages.Site(
        sources=Sources(readiness=Readiness(_checks)),
        templates=Path("/usr/local/share/visomaster/portal/templates"),
    )
    with pages.Server(site, PAGES_PORT) as server:
        print(f"visomaster-portal: answering on 127.0.0.1:{PAGES_PORT}", flush=True)
        server.serve_forever()
    return 0


def check() -> int:
    """Say what PORTAL_CONFIG describes. Raises `Problem` naming the first field that cannot be used."""
    from visomaster_host.portal import config, render

    try:
        services = config.parse(os.environ.get("PORTAL_CONFIG"))
    except config.ConfigError as error:
        raise Problem(str(error)) from None
    for link in render.links(services):
        print(f"{link['name']}: {link.get('href') or 'port {}'.format(link['port'])}")
    return 0


def apply_settings() -> int:
    """Validate the settings of the last start and restart Caddy with them; it keeps running as it was when
    they are bad.
    """
    from visomaster_host.files import owner_of
    from visomaster_host.host import read_host
    from visomaster_host.portal import apply

    wanted = apply.stored()
    apply.check(wanted)
    apply.prepare(wanted, apply.Places(caddy=owner_of("caddy"), port=read_host().port))
    # Caddy's admin endpoint is off, and a new token is a new environment: a restart, of a second, is what it
    # takes.
    command = ["supervisorctl", "-s", f"unix://{paths.SUPERVISOR_SOCKET}", "restart", "caddy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_RESTART_TIMEOUT, check=False)
    if done.returncode != 0:
        raise Problem(f"caddy could not be restarted: {(done.stdout + done.stderr).strip()}")
    return 0


def _checks() -> tuple[Check, ...]:
    """What `visomaster-ready` finds, read anew each time: the host may have been deployed again."""
    from visomaster_host import ready
    from visomaster_host.host import read_host

    try:
        results = ready.look(read_host())
    except Problem as problem:
        return (Check(name="host", ok=False, detail=str(problem)),)
    return tuple(Check(name=result.name, ok=result.ok, detail=result.detail) for result in results)
