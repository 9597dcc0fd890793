"""What the bench has in a container: the test picture on its display, and what its services cost.

Runs as root with the distribution's Python. Reads one command a line and answers each with one line of JSON: `show
WIDTH HEIGHT RATE` and `hide` are the picture's, see bench/picture.py; `meter` tells the seconds of processor time that
every service has used so far, and what everything in the container has.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

from visomaster_host import display, paths, users
from visomaster_host.host import read_host

from bench import processes


def picture() -> subprocess.Popen[bytes]:
    """Start the picture as the desktop's user, who alone has the display's cookie."""
    person = pwd.getpwnam(users.DESKTOP)
    settings = {"HOME": "/tmp", "QT_QPA_PLATFORM": "xcb", "QT_QPA_UPDATE_IDLE_TIME": "0"}
    return subprocess.Popen(
        [paths.PYTHON, "-m", "bench.picture"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **settings, **display.variables(read_host())},
        user=person.pw_uid,
        group=person.pw_gid,
        extra_groups=[],
    )


def meter() -> dict[str, object]:
    """The counters at this moment."""
    known = processes.read()
    runs = [json.loads(path.read_text()) for path in Path(paths.RUNS).glob("*.json")]
    services = {run["name"]: processes.seconds(known, processes.family(known, [run["pid"]])) for run in runs}
    return {"services": services, "all": processes.seconds(known, known)}


def main() -> None:
    """Follow the commands until standard input ends."""
    shown = picture()
    if shown.stdin is None:
        raise ValueError("a pipe was asked for")
    for line in sys.stdin:
        if line == "meter\n":
            print(json.dumps(meter()), flush=True)
            continue
        shown.stdin.write(line.encode())
        shown.stdin.flush()
        print("{}", flush=True)
    shown.terminate()


if __name__ == "__main__":
    main()
