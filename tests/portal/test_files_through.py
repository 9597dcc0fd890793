"""What comes through HAProxy and Caddy of a person's files: downloads that go on, answers to who is still sending."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal import rig

API = "/files/api"
LARGE = 24 << 20
"""Bytes: more than all that are in between hold."""


@pytest.fixture(scope="module")
def large(portal: rig.Portal) -> Iterator[Path]:
    """A video in the tree."""
    place = portal.folder / "workspace/in/large.mp4"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(os.urandom(LARGE))
    yield place
    place.unlink()


def curl(portal: rig.Portal, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """curl, logged in by the token."""
    login = f"Authorization: Bearer {portal.wanted.token}"
    return subprocess.run(
        ["curl", "-sS", "--max-time", "30", "-H", login, *arguments], capture_output=True, text=True, check=False
    )


def address(portal: rig.Portal, path: str) -> str:
    return f"http://127.0.0.1:{portal.port}{API}/{path}"


def test_curl_goes_on_where_it_ended(portal: rig.Portal, large: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(large.read_bytes()[: LARGE // 3])
    done = curl(portal, "-C", "-", "-o", kept, "-w", "%{http_code}", address(portal, "file/in/large.mp4"))
    assert (done.returncode, done.stdout) == (0, "206")
    assert kept.read_bytes() == large.read_bytes()


def test_a_name_is_what_curl_keeps_it_as(portal: rig.Portal, large: Path, tmp_path: Path) -> None:
    (large.parent / "one two.mp4").write_bytes(b"x")
    done = curl(portal, "-OJ", "--output-dir", tmp_path, address(portal, "file/in/one%20two.mp4"))
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["one two.mp4"]


@pytest.mark.parametrize("target", ["file/in/shrinks.mp4", "zip?path=in/shrinks.mp4"])
def test_what_becomes_shorter_is_an_error_to_who_reads(portal: rig.Portal, large: Path, target: str) -> None:
    """Caddy hands on that there is less than was said: no program takes it for all."""
    place = large.parent / "shrinks.mp4"
    place.write_bytes(b"x" * LARGE)
    with socket.create_connection(("127.0.0.1", portal.port), timeout=30) as connection:
        login = f"Authorization: Bearer {portal.wanted.token}\r\n"
        connection.sendall(f"GET {API}/{target} HTTP/1.1\r\nHost: x\r\n{login}\r\n".encode())
        received = len(connection.recv(65536))
        os.truncate(place, 0)
        try:
            while more := connection.recv(1 << 20):
                received += len(more)
        except ConnectionResetError:
            pass
    assert 0 < received < LARGE
    log = portal.log.read_text()
    assert "unexpected EOF" in log, "Caddy says that something went wrong"
    assert "shrinks" not in log, "but not with which file"


PIECE = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
REFUSED = {
    "too large": ("POST", f"{API}/delete", {}, 413),
    "of nothing": ("PATCH", f"{API}/uploads/{'0' * 32}", PIECE, 404),
    "nowhere": ("POST", f"{API}/nowhere", {}, 404),
}


@pytest.mark.parametrize("pause", [0.0, 0.02])
@pytest.mark.parametrize("name", REFUSED)
def test_who_is_still_sending_gets_the_answer(portal: rig.Portal, name: str, pause: float) -> None:
    """Not a 502: of 8 MiB on a quick line, and on one that takes longer than anybody waits."""
    method, target, headers, status = REFUSED[name]
    said = {
        "Host": "127.0.0.1",
        "Authorization": f"Bearer {portal.wanted.token}",
        "Content-Length": str(8 << 20),
        **headers,
    }
    lines = "".join(f"{each}: {value}\r\n" for each, value in said.items())
    with socket.create_connection(("127.0.0.1", portal.port), timeout=30) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())
        try:
            for _ in range(128):
                connection.sendall(b"x" * 65536)
                time.sleep(pause)
        except ConnectionError:
            pass
        assert connection.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())


def test_curl_asks_before_it_sends(portal: rig.Portal, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"x" * (8 << 20))
    body = f"@{tmp_path / 'body'}"
    done = curl(
        portal, "-H", "Expect: 100-continue", "--data-binary", body, "-w", "%{http_code}", address(portal, "delete")
    )
    assert done.stdout == '{"error": "body: expected at most 1048576 bytes, got 8388608"}413'


def test_while_the_service_is_away_nothing_is_told(portal: rig.Portal) -> None:
    """Who asks is told to come back; the log is not told what was asked for."""
    listening = rig.sockets(portal.folder) / "files.sock"
    listening.rename(listening.with_suffix(".away"))
    try:
        for target in ("file/in/secretive.mp4", "list?path=secretive", "uploads/secretive"):
            assert portal.inside(f"{API}/{target}").status == 503
    finally:
        listening.with_suffix(".away").rename(listening)
    assert portal.inside(f"{API}/list").status == 200
    assert "secretive" not in portal.log.read_text()


def test_places_are_below_the_session(portal: rig.Portal, large: Path) -> None:
    """Where an upload is, is said as its visitor has to ask for it, whatever the visitor claims."""
    made = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "1",
        "Upload-Metadata": "filename eC5tcDQ=",
        "X-Files-Base": "//evil",
    }
    for answer, base in (
        (portal.inside(f"{API}/uploads/", made, "POST"), ""),
        (portal.browse(f"{API}/uploads/", made, "POST"), portal.base),
    ):
        place = answer.headers["location"]
        assert place.startswith(f"{base}{API}/uploads/"), place
        assert portal.inside(place.removeprefix(base), {"Tus-Resumable": "1.0.0"}, "DELETE").status == 204


def test_a_lost_reader_frees_its_place(portal: rig.Portal, large: Path) -> None:
    """More of them than are answered at once."""
    login = f"Authorization: Bearer {portal.wanted.token}\r\n"
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", portal.port), timeout=30) as connection:
            connection.sendall(f"GET {API}/file/in/large.mp4 HTTP/1.1\r\nHost: x\r\n{login}\r\n".encode())
            assert connection.recv(12) == b"HTTP/1.1 200"
    rig.wait_until(lambda: portal.inside(f"{API}/list?path=in").status == 200, "a place")


def test_the_service_takes_little_memory(tmp_path: Path, large: Path) -> None:
    """At most 30 MB, with several downloads, a zip and a list of many under way."""
    for number in range(2_000):
        (tmp_path / f"{number}.png").touch()
    program = (
        "import sys; from pathlib import Path; from visomaster_host.workspace.routes import routes;"
        "from visomaster_host import serve_files; from visomaster_host.workspace.server import Server;"
        "Server(routes(Path(sys.argv[1])), Path(sys.argv[2])).serve_forever()"
    )
    socket_path = rig.sockets(tmp_path).with_suffix(".sock")
    packages = rig.SHARE.parents[2] / "lib/visomaster"
    os.link(large, tmp_path / "large.mp4")
    service = subprocess.Popen(
        ["/usr/bin/python3", "-s", "-c", program, tmp_path, socket_path], env={"PYTHONPATH": str(packages)}
    )
    try:
        rig.wait_until(socket_path.exists, "the service")
        asked = [threading.Thread(target=_read, args=(socket_path, target)) for target in _TARGETS * 4]
        for each in asked:
            each.start()
        for each in asked:
            each.join(30)
        status = Path(f"/proc/{service.pid}/status").read_text()
        most = int(status.partition("VmHWM:")[2].split()[0])
        assert most < 30_000, f"{most} kB"
    finally:
        service.terminate()
        service.wait(10)
        socket_path.unlink(missing_ok=True)


_TARGETS = ("/file/large.mp4", "/zip?path=", "/list", "/summary")


def _read(place: Path, target: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(place))
        connection.sendall(f"GET {target} HTTP/1.1\r\n\r\n".encode())
        while connection.recv(1 << 20):
            pass
