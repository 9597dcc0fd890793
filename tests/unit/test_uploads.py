"""Uploads as tus 1.0 has them: what is answered, and what a person has then."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from visomaster_host.workspace import parts, uploads
from visomaster_host.workspace.space import Space

from tests.unit.answering import Files, answering, read
from tests.unit.uploading import PIECE, Body, Client, tree

DATA = bytes(range(256)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a new service."""
    with tree() as root:
        yield Client(root)


def checksum(data: bytes, algorithm: str = "sha256") -> str:
    """What Upload-Checksum says of `data`."""
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


# -- the protocol


def test_it_says_what_it_speaks(client: Client) -> None:
    said = client.ask("OPTIONS")
    assert said.status == 204
    assert said.headers["Tus-Version"] == said.headers["Tus-Resumable"] == "1.0.0"
    assert said.headers["Tus-Extension"] == "creation,creation-with-upload,termination,checksum"
    assert said.headers["Tus-Checksum-Algorithm"] == "sha256,sha1"


def test_a_file_in_three_pieces(client: Client) -> None:
    """Each answer says what is on disk; the file has its name with the last byte, its time, and nothing is left."""
    made = client.create(len(DATA), lastModified="1700000000123")
    assert made.status == 201 and made.offset == 0 and made.headers["Tus-Resumable"] == "1.0.0"
    for start, end in ((0, 4000), (4000, 9000)):
        assert client.patch(made.name, start, DATA[start:end]).offset == end
        assert client.files() == {}
        assert client.head(made.name).headers["Upload-Length"] == str(len(DATA))
        assert [each["offset"] for each in client.listed()] == [end]
    last = client.patch(made.name, 9000, DATA[9000:])
    assert last.status == 204 and last.headers["X-File"] == "in/a.mp4" and last.headers["X-Sha256"] == SHA256
    assert client.files() == {"in/a.mp4": DATA} and client.listed() == []
    status = (client.root / "in/a.mp4").stat()
    assert (status.st_mtime_ns, status.st_mode & 0o777, status.st_nlink) == (1700000000123 * 10**6, 0o644, 1)
    assert sorted(path.name for path in (client.root / ".uploads").iterdir()) == ["done"]


def test_who_missed_the_last_answer_asks_again(client: Client) -> None:
    """For a day, also a service that was started anew says what became of it."""
    name = client.create(len(DATA)).name
    client.patch(name, 0, DATA)
    for each in (client, client.restarted()):
        for said in (each.head(name), each.patch(name, len(DATA), b"")):
            assert said.offset == len(DATA) and said.headers["X-Sha256"] == SHA256
        assert each.patch(name, 0, DATA).status == 409, "it would be sent once more"
    assert client.files() == {"in/a.mp4": DATA}
    record = client.root / f".uploads/done/{name}.json"
    os.utime(record, (0, 0))
    client.restarted().create(1)
    assert client.head(name).status == 404 and not record.exists()


def test_a_file_comes_with_its_creation(client: Client) -> None:
    said = client.create(len(DATA), "ü 1.mp4", body=Body(DATA))
    assert said.status == 201 and said.offset == len(DATA) and said.headers["X-File"] == "in/%C3%BC%201.mp4"
    part = client.create(len(DATA), "b", body=Body(DATA[:100]))
    assert part.status == 201 and part.offset == 100
    assert client.patch(part.name, 100, DATA[100:]).headers["X-File"] == "in/b"


def test_an_empty_file_is_done_when_it_is_made(client: Client) -> None:
    said = client.create(0, "empty")
    assert said.status == 201 and said.headers["X-Sha256"] == hashlib.sha256().hexdigest()
    assert client.files() == {"in/empty": b""}


def test_a_folder_comes_file_by_file(client: Client) -> None:
    for name in ("one", "two"):
        said = client.create(3, name, body=Body(b"abc"), folder="in", relativePath=f"trip/day 1/{name}")
        assert said.headers["X-File"] == f"in/trip/day%201/{name}"
    client.create(3, "three", body=Body(b"abc"), folder="", relativePath="three")
    assert set(client.files()) == {"in/trip/day 1/one", "in/trip/day 1/two", "three"}


def test_what_is_unfinished_is_told(client: Client) -> None:
    before = int(time.time() * 1000) - 1000
    first = client.create(9, "a", folder="in", relativePath="trip/a", lastModified="5").name
    time.sleep(0.01)  # a file system's clock ticks
    second = client.create(9, "b", body=Body(b"xy")).name
    newest, oldest = client.restarted().listed()
    assert oldest == {
        "id": first,
        "name": "a",
        "folder": "in",
        "relative_path": "trip/a",
        "size": 9,
        "offset": 0,
        "last_modified": 5,
        "touched": oldest["touched"],
    }
    assert (newest["id"], newest["offset"], newest["last_modified"]) == (second, 2, None)
    assert before <= oldest["touched"] <= newest["touched"] <= before + 60_000


def test_one_that_is_terminated_is_gone(client: Client) -> None:
    name = client.create(9, body=Body(b"xy")).name
    assert client.ask("DELETE", name).status == 204
    assert client.head(name).status == client.ask("DELETE", name).status == client.patch(name, 2, b"z").status == 404
    assert list((client.root / ".uploads").iterdir()) == []


def test_a_browser_that_cannot_say_patch(client: Client) -> None:
    """X-HTTP-Method-Override counts with POST alone: what only reads is not asked where it comes from."""
    name = client.create(3).name
    said = client.ask("GET", name, x_http_method_override="DELETE")
    assert said.status == 405 and client.head(name).status == 200
    more = {"content_type": PIECE, "upload_offset": "0", "x_http_method_override": "PATCH"}
    assert client.ask("POST", name, Body(b"abc"), **more).status == 204
    assert client.files() == {"in/a.mp4": b"abc"}


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_a_piece_with_another_checksum_does_not_count(client: Client, algorithm: str) -> None:
    name = client.create(len(DATA)).name
    assert client.patch(name, 0, DATA[:5000], upload_checksum=checksum(DATA[:5000], algorithm)).offset == 5000
    wrong = client.patch(name, 5000, DATA[5000:], upload_checksum=checksum(DATA, algorithm))
    assert wrong.status == 460 and wrong.offset == client.head(name).offset == 5000
    assert client.files() == {}
    last = client.patch(name, 5000, DATA[5000:], upload_checksum=checksum(DATA[5000:], algorithm))
    assert last.headers["X-Sha256"] == SHA256 and client.files() == {"in/a.mp4": DATA}


def test_a_creation_with_another_checksum_leaves_nothing(client: Client) -> None:
    metadata = f"filename {base64.b64encode(b'a').decode()}"
    more = {"upload_length": "3", "upload_metadata": metadata, "upload_checksum": checksum(b"abd")}
    assert client.ask("POST", body=Body(b"abc"), content_type=PIECE, **more).status == 460
    assert client.files() == {} and client.listed() == []


def seen(client: Client) -> list[Path]:
    """All that is there but the folder of uploads itself."""
    return [path for path in sorted(client.root.rglob("*")) if path.name != ".uploads"]


def refused(client: Client, status: int, method: str = "POST", name: str = "", body: bytes = b"", **more: str) -> str:
    """The line that is told of a refusal, which has made nothing."""
    before = seen(client)
    said = client.ask(method, name, Body(body), **more)
    assert said.status == status, said
    assert said.headers["Tus-Resumable"] == "1.0.0"
    assert seen(client) == before
    return str(said.document["error"])


@pytest.mark.parametrize(
    ("status", "said", "headers"),
    [
        (400, "Upload-Length", {"upload_length": "-1"}),
        (400, "Upload-Length", {"upload_length": ""}),
        (400, "Upload-Length", {"upload_length": "9" * 19}),
        (400, "Upload-Length", {"upload_length": "٣"}),
        (400, "filename", {"upload_metadata": ""}),
        (400, "Upload-Metadata: filename", {"upload_metadata": "filename ???"}),
        (400, "Upload-Metadata: filename", {"upload_metadata": "filename /w=="}),
        (412, "Tus-Resumable", {"tus_resumable": "0.2.2"}),
        (400, "Upload-Checksum", {"upload_checksum": "md5 YQ=="}),
        (400, "Upload-Checksum", {"upload_checksum": "sha256 ?"}),
        (507, "does not fit", {"upload_length": "9" * 18}),
    ],
)
def test_a_creation_is_refused(client: Client, status: int, said: str, headers: dict[str, str]) -> None:
    asked = {"upload_length": "3", "upload_metadata": f"filename {base64.b64encode(b'a').decode()}", **headers}
    assert said in refused(client, status, **asked)


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        *(
            ("filename", each, 400)
            for each in ("", ".", "..", "../a", "/etc/passwd", ".bashrc", "a\nb", "a\0b", "x" * 256)
        ),
        *(
            ("folder", each, 400)
            for each in ("..", "in/../..", "/in", "in/", ".uploads", "in/.hidden", "a/" * 41 + "a")
        ),
        *(("relativePath", each, 400) for each in ("../../a", "/a/b", "x/../b/a", ".ssh/a")),
        ("lastModified", "yesterday", 400),
        ("folder", "link", 409),
        ("folder", "file", 409),
        ("relativePath", "file/deeper/a", 409),
    ],
)
def test_a_name_is_refused(client: Client, key: str, value: str, status: int) -> None:
    (client.root / "link").symlink_to("/etc")
    (client.root / "in/link").symlink_to("/etc")
    for each in ("file", "in/file"):
        (client.root / each).write_bytes(b"mine")
    said = {"filename": "a", "folder": "in", key: value}
    pairs = ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in said.items())
    refused(client, status, upload_length="3", upload_metadata=pairs)


def test_a_piece_is_refused(client: Client) -> None:
    name = client.create(3).name
    asked = {"method": "PATCH", "name": name, "content_type": PIECE}
    assert "expected 0" in refused(client, 409, body=b"abc", upload_offset="1", **asked)
    assert "Upload-Offset" in refused(client, 400, body=b"abc", **asked)
    assert "expected 3 bytes at most" in refused(client, 413, body=b"abcd", upload_offset="0", **asked)
    assert PIECE in refused(client, 415, body=b"abc", upload_offset="0", **{**asked, "content_type": "text/plain"})
    assert "at most" in refused(client, 413, body=b"ab", content_type=PIECE, upload_length="1", **one("x"))
    assert "PATCH" in refused(client, 405, method="PUT", name=name)
    for odd in ("x", "0" * 31, "0" * 33, "../done/x", "%2e", "0" * 32, "0" * 31 + "٣"):
        refused(client, 404, method="HEAD", name=odd)


def one(filename: str) -> dict[str, str]:
    return {"upload_metadata": f"filename {base64.b64encode(filename.encode()).decode()}"}


@pytest.mark.parametrize(
    ("said", "kept"), [("-5", False), ("0", False), ("99999999999999999", False), ("315532800000", True)]
)
def test_a_time_that_cannot_be_is_the_present_one(client: Client, said: str, kept: bool) -> None:
    client.create(1, body=Body(b"x"), lastModified=said)
    modified = (client.root / "in/a.mp4").stat().st_mtime
    assert modified == int(said) / 1000 if kept else abs(modified - time.time()) < 60


def test_what_others_still_bring_has_its_room(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """5 % stay free; an upload that nobody has touched for an hour has no claim any more."""
    monkeypatch.setattr(uploads, "space", lambda _: Space(free=1050, total=1000))
    name = client.create(700).name
    assert client.create(300).status == 201
    full = client.create(1)
    assert full.status == 507 and full.document["needed"] == 1 and full.document["free"] == 0
    monkeypatch.setattr(uploads, "BEING_WRITTEN", 0)
    assert client.create(1).status == 201
    monkeypatch.setattr(uploads, "BEING_WRITTEN", 60)
    client.ask("DELETE", name)
    assert client.create(699).status == 201


# -- two clients


def test_a_second_client_waits_for_the_first(client: Client) -> None:
    name = client.create(len(DATA)).name
    heard = []
    body = Body(DATA, meanwhile=lambda: heard.append(client.patch(name, 0, DATA)), at_once=5000)
    assert client.patch(name, 0, body).headers["X-Sha256"] == SHA256
    assert {said.status for said in heard} == {423} and client.files() == {"in/a.mp4": DATA}


def begun(files: Files, name: str, data: bytes) -> socket.socket:
    """A connection that has sent the first half of `data`, and says nothing any more."""
    connection = files.connected()
    head = f"PATCH /uploads/{name} HTTP/1.1\r\nContent-Type: {PIECE}\r\nUpload-Offset: 0\r\n"
    connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[: len(data) // 2])
    part, deadline = files.tree / ".uploads" / parts.files_of(name)[0], time.monotonic() + 30
    while part.stat().st_size < len(data) // 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return connection


@pytest.mark.parametrize("then", ["HEAD", "PATCH", "DELETE"])
def test_a_dead_line_is_taken_over(tmp_path: Path, then: str) -> None:
    """Who comes back does not wait for the connection that nobody has told of its end; all that arrived counts."""
    with answering(tmp_path) as files:
        place = files.ask("/uploads", headers={"Upload-Length": str(len(DATA)), **spelled(one("a"))}, method="POST")
        name = place.headers["location"].rsplit("/", 1)[1]
        with begun(files, name, DATA) as dead:
            half, started = len(DATA) // 2, time.monotonic()
            more = {"Upload-Offset": str(half), "Content-Type": PIECE} if then == "PATCH" else {}
            said = files.ask(f"/uploads/{name}", DATA[half:] if more else b"", more, method=then)
            assert time.monotonic() - started < 20, "within two seconds, on a machine that does nothing else"
            if then == "HEAD":
                assert (said.status, said.headers["upload-offset"]) == (200, str(half))
            else:
                assert said.status == 204
            assert dead.recv(1) == b"", "its connection is closed"
        assert [path.name for path in (files.tree / "in").iterdir()] == (["a"] if then == "PATCH" else [])


def spelled(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def test_what_is_being_sent_is_told_meanwhile(tmp_path: Path) -> None:
    """A piece goes to disk when it is a second old; who asks hears of it, and the writer goes on."""
    with answering(tmp_path) as files:
        made = files.ask("/uploads", headers={"Upload-Length": "1000", **spelled(one("a"))}, method="POST")
        name = made.headers["location"].rsplit("/", 1)[1]
        with begun(files, name, b"x" * 1000) as slow:
            left = 500
            for _ in range(5):
                threads = [threading.Timer(0.2 * number, slow.sendall, (b"x",)) for number in range(1, 6)]
                for thread in threads:
                    thread.start()
                said = files.ask(f"/uploads/{name}", method="HEAD")
                for thread in threads:
                    thread.join()
                left -= len(threads)
                if (offset := int(said.headers["upload-offset"])) > 0:
                    break
            assert said.status == 200 and 500 <= offset < 1000
            slow.sendall(b"x" * left)
            assert read(slow).status == 204
