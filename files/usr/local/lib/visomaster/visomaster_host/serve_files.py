"""The service `files`: python3 -s -m visomaster_host.serve_files

It answers for a person's files in /workspace on a unix socket, as the program's user.
"""

from __future__ import annotations

import os

from visomaster_host import paths
from visomaster_host.problems import Problem, reporting, say
from visomaster_host.workspace.routes import routes
from visomaster_host.workspace.server import Server


def main() -> int:
    """Serve until the process is ended; returns 1 with one line on stderr when it cannot."""
    return reporting("visomaster-files", serve)


def serve() -> int:
    """Answer until the process is ended. Raises `Problem`."""
    if os.getuid() == 0:
        raise Problem("expected to run as the program's user, got root: files need no such rights")
    with Server(routes(paths.WORKSPACE), paths.FILES_SOCKET) as server:
        say(f"visomaster-files: answering on {paths.FILES_SOCKET}")
        server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
