"""The service `portal`: visomaster-portal answers the portal's pages on a unix socket, as a user of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from visomaster_host import paths, ready
from visomaster_host.host import read_host
from visomaster_host.login import FIXED_COOKIE
from visomaster_host.portal import pages
from visomaster_host.portal.report import Readiness, Sources
from visomaster_host.portal.sessions import Sessions
from visomaster_host.portal.words import Words
from visomaster_host.problems import Problem, reporting, say
from visomaster_host.refusals import refusal
from visomaster_host.service import Result
from visomaster_host.services import known
from visomaster_host.text import brief


def main(argv: list[str] | None = None) -> int:
    """Run visomaster-portal until it is ended; returns 1 with one line on stderr when it cannot serve."""
    if (sys.argv[1:] if argv is None else argv) in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    return reporting("visomaster-portal", serve)


def serve() -> int:
    """Answer the portal's pages until the process is ended. Raises `Problem`.

    PORTAL_SESSIONS names the folder of the sessions, PORTAL_PATH their path, PORTAL_COOKIE their cookie.
    """
    if os.getuid() == 0:
        raise Problem("expected to run as a user of its own, got root: the pages need no such rights")
    folder, path = os.environ.get("PORTAL_SESSIONS"), os.environ.get("PORTAL_PATH")
    if not (folder and path):
        raise Problem("PORTAL_SESSIONS, PORTAL_PATH: expected folder and path of the sessions: run visomaster-service")
    site = pages.Site(
        sources=Sources(readiness=Readiness(_checks), words=Words(known().values())),
        templates=paths.PORTAL_SHARE / "templates",
        sessions=Sessions(Path(folder), path),
        cookie=os.environ.get("PORTAL_COOKIE", FIXED_COOKIE),
    )
    with pages.Server(site, paths.PAGES_SOCKET) as server:
        say(f"visomaster-portal: answering on {paths.PAGES_SOCKET}")
        server.serve_forever()
    return 0


def _checks() -> tuple[Result, ...]:
    """What `visomaster-ready` finds, read anew each time: the host may have been deployed again."""
    try:
        return tuple(ready.look(read_host()))
    except Problem as problem:
        return (Result(name="host", ok=False, detail=str(problem)),)
    except OSError as error:
        return (Result(name="host", ok=False, detail=brief(refusal(error))),)
