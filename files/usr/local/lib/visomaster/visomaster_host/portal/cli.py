"""The service `portal`: visomaster-portal answers the portal's pages on 127.0.0.1:11113 as the desktop's user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from visomaster_host.portal.report import Check
from visomaster_host.problems import Problem, reporting

PAGES_PORT = 11113


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-portal until it is ended; returns 1 with one line on stderr when it cannot serve."""
    if (sys.argv[1:] if argv is None else argv) in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    return reporting("visomaster-portal", serve)


def serve() -> int:
    """Answer the portal's pages until the process is ended. Raises `Problem`."""
    from visomaster_host.portal import pages
    from visomaster_host.portal.report import Readiness, Sources

    if os.getuid() == 0:
        raise Problem("expected to run as the desktop's user, got root: the pages need no such rights")
    site = pages.Site(
        sources=Sources(readiness=Readiness(_checks)),
        templates=Path("/usr/local/share/visomaster/portal/templates"),
    )
    with pages.Server(site, PAGES_PORT) as server:
        print(f"visomaster-portal: answering on 127.0.0.1:{PAGES_PORT}", flush=True)
        server.serve_forever()
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
