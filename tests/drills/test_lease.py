"""A rented machine in a container ends itself by its own key, which nobody but root there ever sees."""

from __future__ import annotations

import json
import time

from visomaster_host import paths, users

from sandbox.engine import docker_command
from tests.drills.conftest import MakeBox
from tests.e2e.machine import Container, run

KEY, PORT, BOOK = "the-own-key-of-instance-4711", 9711, "/root/asked"
WITHOUT_KEY = "--env=CONTAINER_API_KEY="
"""The engine gives a container's variables to all that it starts there."""
LASTS = 25
"""Seconds of the lease; the container starts meanwhile."""

VAST = f"""
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
class Vast(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        with open("{BOOK}", "a") as book:
            print(json.dumps([self.command, self.path, self.headers["Authorization"], body]), file=book)
        answer = b'{{"success": true}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_PUT = do_DELETE = do_GET
HTTPServer(("127.0.0.1", {PORT}), Vast).serve_forever()
"""
LOOK = r"""
import glob, os, sys
key = sys.stdin.buffer.read()
for place in (*glob.glob("/proc/[0-9]*/environ"), *glob.glob("/proc/[0-9]*/cmdline")):
    try:
        if key in open(place, "rb").read():
            print(place)
    except OSError:
        pass
for top in ("/app", "/etc", "/home", "/opt", "/root", "/run", "/tmp", "/usr/local", "/var", "/workspace"):
    for folder, _, names in os.walk(top):
        for name in names:
            place = os.path.join(folder, name)
            try:
                if os.path.isfile(place) and os.path.getsize(place) < 1 << 20 and key in open(place, "rb").read():
                    print(place)
            except OSError:
                pass
"""
"""Prints where the key can be seen by who looks."""


def asked(box: Container) -> list[list[str]]:
    """What Vast was asked to do, but to tell the time."""
    book = box.run("cat", BOOK).stdout.splitlines()
    return [entry for entry in map(json.loads, book) if entry[0] != "GET"]


def seen(box: Container, user: str) -> set[str]:
    """Where `user` can see the key."""
    words = ["exec", "--interactive", f"--user={user}", WITHOUT_KEY, box.name, str(paths.SYSTEM_PYTHON), "-c", LOOK]
    return set(run([docker_command(), *words], input=KEY).stdout.split())


def test_a_leased_machine_stops_itself_once_with_a_key_that_nobody_sees(make_box: MakeBox) -> None:
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LASTS))
    given = {
        "CONTAINER_ID": "4711",
        "CONTAINER_API_KEY": KEY,
        "LEASE_UNTIL": until,
        "LEASE_API": f"http://127.0.0.1:{PORT}",
    }
    box = make_box("--no-healthcheck", *(f"--env={name}={value}" for name, value in given.items()))
    vast = ["exec", "--detach", WITHOUT_KEY, box.name, str(paths.SYSTEM_PYTHON), "-c", VAST]
    assert run([docker_command(), *vast]).returncode == 0
    box.wait_ready()
    assert json.loads(box.output("visomaster-lease", "--json"))["on_end"] == "stop"
    assert box.run("runuser", "-u", users.DESKTOP, "--", "visomaster-lease", "--extend", "1h").returncode == 1
    assert seen(box, users.DESKTOP) == set()
    deadline = time.monotonic() + 2 * LASTS
    while not asked(box):
        assert time.monotonic() < deadline, box.output("cat", "/var/log/supervisor/lease.log")
        time.sleep(0.2)
    assert asked(box) == [["PUT", "/api/v0/instances/4711/", f"Bearer {KEY}", '{"state": "stopped"}']]
    assert seen(box, "root") == {f"{paths.SECRETS}/instance", BOOK}
