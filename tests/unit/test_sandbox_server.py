"""The asset server answers ranges as real hubs do."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.server import RangeNotSatisfiableError, Server, parse_range, serve

CONTENT = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-", (90, 99)),
        ("bytes=90-1000", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-1000", (0, 99)),
        ("BYTES = 5 - 6", (5, 6)),
        ("bytes=19-10", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=²-", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_range_of_a_hundred_bytes(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=0-", 0), ("bytes=-0", 100)])
def test_range_beyond_the_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        parse_range(header, size)


@contextmanager
def running(root: Path, rate: int = 0) -> Iterator[http.client.HTTPConnection]:
    (root / "folder").mkdir()
    (root / "folder/a file.bin").write_bytes(CONTENT)
    (root / "empty").touch()
    server: Server = serve(root, 0, rate, host="127.0.0.1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    try:
        yield connection
    finally:
        connection.close()
        server.shutdown()
        thread.join()
        server.server_close()


def ask(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    asked = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=asked)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_whole_files_parts_and_conditions(tmp_path: Path) -> None:
    with running(tmp_path) as connection:
        status, headers, body = ask(connection, "/folder/a%20file.bin?download=1")
        assert (status, body, headers["Accept-Ranges"]) == (200, CONTENT, "bytes")
        tag = headers["ETag"]
        status, headers, body = ask(connection, "/folder/a%20file.bin", Range="bytes=5-9")
        assert (status, body) == (206, CONTENT[5:10])
        assert headers["Content-Range"] == f"bytes 5-9/{len(CONTENT)}"
        assert ask(connection, "/folder/a%20file.bin", Range="bytes=5-9", If_Range=tag)[0] == 206
        assert ask(connection, "/folder/a%20file.bin", Range="bytes=5-9", If_Range='"old"')[0] == 200
        assert ask(connection, "/folder/a%20file.bin", If_None_Match=tag)[::2] == (304, b"")
        status, headers, _ = ask(connection, "/folder/a%20file.bin", Range="bytes=99999-")
        assert (status, headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")


def test_head_has_the_length_and_no_body(tmp_path: Path) -> None:
    with running(tmp_path) as connection:
        status, headers, body = ask(connection, "/folder/a%20file.bin", "HEAD")
        assert (status, headers["Content-Length"], body) == (200, str(len(CONTENT)), b"")
        assert ask(connection, "/empty")[::2] == (200, b"")


def test_folders_are_listed_and_nothing_outside_is_served(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root/link").symlink_to(tmp_path / "secret")
    with running(tmp_path / "root") as connection:
        assert b'href="a%20file.bin"' in ask(connection, "/folder/")[2]
        for path in ("/../secret", "/%2e%2e/secret", "/link", "/missing", "/%00"):
            assert ask(connection, path)[0] == 404


def test_rate_limits_a_connection(tmp_path: Path) -> None:
    with running(tmp_path, rate=len(CONTENT) * 4) as connection:
        started = time.monotonic()
        assert ask(connection, "/folder/a%20file.bin")[2] == CONTENT
        assert time.monotonic() - started > 0.2
