"""A person's files: where they are, and who may ask for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from visomaster_host import paths, users
from visomaster_host.choices import Access
from visomaster_host.host import Host

from operations.as_user import as_user

ASK = f"""
import http.client, json, socket, sys
connection = http.client.HTTPConnection("files")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(10)
connection.sock.connect("{paths.FILES_SOCKET}")
found = []
for folder in ("", "in", "out", "state"):
    connection.request("GET", "/list?path=" + folder)
    found += [entry["name"] for entry in json.loads(connection.getresponse().read())["entries"]]
    connection.close()
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("{paths.FILES_SOCKET}")
print(json.dumps(found))
"""
"""What the service lists of a person's folders, on standard output."""


def asked_by(user: str) -> str:
    """The command by which `user` asks the service."""
    return f"setpriv --reuid {user} --regid {user} --init-groups {paths.SYSTEM_PYTHON} -c '{ASK}'"


@pytest.mark.usefixtures("running")
def test_only_the_portal_reaches_the_files(host: Any, described: Host) -> None:
    """Files are given to nobody but the portal, which asks for a login first.

    If not: run visomaster-start, then `supervisorctl restart files`.
    """
    if described.access != Access.PORTAL:
        assert not host.file(str(paths.FILES)).exists
        return
    folder = host.file(str(paths.FILES))
    assert (folder.user, folder.group, folder.mode & 0o777) == (users.DESKTOP, users.CADDY, 0o710)
    # As its user: what lies in a folder of theirs could lead root elsewhere.
    place = host.check_output(as_user(users.DESKTOP, 'stat -c "%F %U %G %a" "$1"', str(paths.FILES_SOCKET)))
    assert place == f"socket {users.DESKTOP} {users.CADDY} 660"
    assert host.run(asked_by(users.CADDY)).rc == 0
    for stranger in (users.PAGES, users.FRONT, "nobody"):
        refused = host.run(f"setpriv --reuid {stranger} --clear-groups {paths.SYSTEM_PYTHON} -c '{ASK}'")
        assert refused.rc != 0 and "PermissionError" in refused.stderr, stranger


@pytest.mark.usefixtures("running")
def test_nothing_hidden_is_listed(host: Any, described: Host) -> None:
    """The page of files shows nothing of the host's own.

    If not: show this output to somebody.
    """
    if described.access != Access.PORTAL:
        return
    names = json.loads(host.check_output(asked_by(users.CADDY)))
    assert {"in", "out", "state"} <= set(names)
    assert [name for name in names if name.startswith(".")] == []


def test_a_person_can_take_all_home(host: Any) -> None:
    """What the program keeps can be saved as one file, by its user.

    If not: `visomaster-state save FILE` says what is in the way.
    """
    saved = host.run(
        "visomaster-state save - | python3 -c 'import io, sys, zipfile;"
        " print(*zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).namelist())'"
    )
    assert saved.rc == 0 and "visomaster-state.json" in saved.stdout, saved.stderr
