"""Files listed, renamed, moved and deleted: nothing is overwritten, nothing half done."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from visomaster_host.workspace import listing, manage, server, summary
from visomaster_host.workspace.exchange import Request, as_json
from visomaster_host.workspace.wire import MOST_HEAD

from tests.unit.answering import Files, answering, read


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    with answering(tmp_path) as running:
        yield running


def content(root: Path) -> dict[str, str | None]:
    """What is below `root`; None for a folder, for a link where it leads."""
    found: dict[str, str | None] = {}
    for path in root.rglob("*"):
        text = str(path.readlink()) if path.is_symlink() else None if path.is_dir() else path.read_text()
        found[str(path.relative_to(root))] = text
    return found


def put(root: Path, *names: str) -> None:
    """Files that hold their own names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


# -- listing


def test_folders_come_first(files: Files) -> None:
    put(files.tree / "in", "b.mp4", "z/x", "a.mp4")
    os.utime(files.tree / "in/a.mp4", (5, 1.5))
    answer = files.ask("/list?path=in").json
    assert [(entry["name"], entry["kind"]) for entry in answer["entries"]] == [
        ("z", "folder"),
        ("a.mp4", "file"),
        ("b.mp4", "file"),
    ]
    assert answer["entries"][0]["size"] is None
    assert answer["entries"][1] == {"name": "a.mp4", "kind": "file", "size": 5, "modified": 1500}
    assert (answer["path"], answer["more"], answer["left_out"]) == ("in", False, 0)
    assert 0 <= answer["space"]["reserve"] <= answer["space"]["total"] // 20 + 1
    assert {entry["name"] for entry in files.ask("/list").json["entries"]} >= {"in", "out", "state"}


def test_a_huge_folder_is_cut(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    put(files.tree / "in", *(str(number) for number in range(5)))
    monkeypatch.setattr(listing.entries_of, "__defaults__", (4,))
    answer = files.ask("/list?path=in").json
    assert (len(answer["entries"]), answer["more"]) == (4, True)


def test_a_folder_of_10000_entries_is_listed_quickly(files: Files) -> None:
    """In half a second on a machine that does nothing else; here others may work at the same time."""
    for number in range(10_000):
        (files.tree / f"in/frame {number}.png").touch()
    begun = time.perf_counter()
    answer = files.ask("/list?path=in").json
    assert len(answer["entries"]) == 10_000
    assert time.perf_counter() - begun < 10


def test_the_newest_results_are_shown(files: Files) -> None:
    """Those that nobody writes to any more, of `out` and the folders in it."""
    out = files.tree / "out"
    put(out, *(f"{number}.mp4" for number in range(5)), "trip/new.mp4", "trip/deep/too deep.mp4", ".hidden", "now.mp4")
    (out / "link").symlink_to("/etc/passwd")
    for place in out.rglob("*.mp4"):
        os.utime(place, (0, 1_000_000 + (int(place.stem) if place.stem.isdigit() else 100)))
    os.utime(out / "now.mp4")
    answer = files.ask("/summary").json
    assert [result["path"] for result in answer["results"]] == [
        "out/trip/new.mp4",
        *(f"out/{n}.mp4" for n in (4, 3, 2, 1)),
    ]
    assert answer["results"][0] == {"path": "out/trip/new.mp4", "size": 12, "modified": 1_000_100_000}
    assert (answer["uploads"], answer["previous"]) == ([], None)
    assert set(answer["space"]) == {"free", "total", "reserve"}
    put(out, "newer.mp4")
    os.utime(out / "newer.mp4", (0, 2_000_000))
    assert files.ask("/summary").json["results"] == answer["results"], "it is not looked through for each who asks"


def test_without_results_there_is_a_summary(files: Files) -> None:
    (files.tree / "out").rmdir()
    assert files.ask("/summary").json["results"] == []
    assert summary.DEEPEST == 2


# -- managing


def test_made_renamed_moved_and_deleted(files: Files) -> None:
    put(files.tree / "in", "a.mp4", "b.mp4")
    for verb, fields, status, said in (
        ("folder", {"path": "in/trip"}, 201, {"path": "in/trip"}),
        (
            "move",
            {"paths": ["in/b.mp4", "in/a.mp4"], "folder": "in/trip"},
            200,
            {"paths": ["in/trip/b.mp4", "in/trip/a.mp4"]},
        ),
        ("rename", {"path": "in/trip", "name": "\u00fcber"}, 200, {"path": "in/\u00fcber"}),
        ("rename", {"path": "in/\u00fcber/a.mp4", "name": "c.mp4"}, 200, {"path": "in/\u00fcber/c.mp4"}),
        ("rename", {"path": "in/\u00fcber", "name": "\u00fcber"}, 200, {"path": "in/\u00fcber"}),
        ("move", {"paths": ["in/\u00fcber"], "folder": "out"}, 200, {"paths": ["out/\u00fcber"]}),
        ("move", {"paths": ["out/\u00fcber"], "folder": ""}, 200, {"paths": ["\u00fcber"]}),
        ("delete", {"paths": ["\u00fcber/b.mp4", "\u00fcber/b.mp4"]}, 200, {"deleted": 1}),
    ):
        answer = files.post(verb, **fields)
        assert (answer.status, answer.json) == (status, said)
    assert content(files.tree) == {
        "in": None,
        "out": None,
        "state": None,
        "\u00fcber": None,
        "\u00fcber/c.mp4": "a.mp4",
    }
    assert files.post("delete", paths=["\u00fcber"]).json == {"deleted": 1}
    assert content(files.tree) == {"in": None, "out": None, "state": None}


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("folder", {"path": "in/file"}),
        ("folder", {"path": "in/folder"}),
        ("rename", {"path": "in/file", "name": "other"}),
        ("rename", {"path": "in/file", "name": "empty"}),
        ("rename", {"path": "in/folder", "name": "empty"}),
        ("rename", {"path": "in/folder", "name": "other"}),
        ("rename", {"path": "in/file", "name": "link"}),
        ("move", {"paths": ["in/file"], "folder": "out"}),
        ("move", {"paths": ["in/other", "in/file"], "folder": "out"}),
        ("move", {"paths": ["in/folder"], "folder": "in/folder/inner"}),
        ("move", {"paths": ["in/folder"], "folder": "in/folder"}),
        ("move", {"paths": ["in/folder/inner", "out/inner"], "folder": "state"}),
    ],
)
@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_overwritten(
    files: Files, verb: str, fields: dict[str, Any], links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or none: what was moved before goes back. Also on a file system without second names."""
    put(files.tree, "in/file", "in/other", "in/folder/inner/x", "out/file", "out/inner/y")
    (files.tree / "in/empty").mkdir()
    (files.tree / "in/link").symlink_to("nowhere")
    if not links:
        monkeypatch.setattr(manage, "_linked", lambda *_: False)
    before = content(files.tree)
    answer = files.post(verb, **fields)
    assert answer.status == 409, answer
    assert answer.json["error"].isprintable()
    assert content(files.tree) == before


def test_a_file_system_without_second_names(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "no")

    put(files.tree, "in/file")
    monkeypatch.setattr(os, "link", link)
    assert files.post("rename", path="in/file", name="new").status == 200
    assert content(files.tree / "in") == {"new": "in/file"}


def test_what_may_not_be_taken_away_keeps_its_one_name(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = os.unlink

    def refusing(name: str, *, dir_fd: int) -> None:
        if name == "file":
            raise PermissionError(errno.EACCES, "no")
        unlink(name, dir_fd=dir_fd)

    put(files.tree, "in/file")
    monkeypatch.setattr(os, "unlink", refusing)
    assert files.post("rename", path="in/file", name="new").status == 403
    assert content(files.tree / "in") == {"file": "in/file"}


def test_another_disk_is_said(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever mounts a volume at /workspace/in."""

    def across(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    put(files.tree, "in/file", "in/folder/x")
    monkeypatch.setattr(os, "link", across)
    monkeypatch.setattr(os, "rename", across)
    for path in ("in/file", "in/folder"):
        answer = files.post("move", paths=[path], folder="out")
        assert (answer.status, answer.json["error"]) == (
            409,
            f"{path}: is on another disk than out: download it, upload it there",
        )
    assert content(files.tree / "out") == {}


def test_all_in_a_folder_goes_but_nothing_that_it_leads_to(files: Files, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    put(tmp_path / "outside", "precious")
    folder = files.tree / "in/folder"
    put(folder, "a/b/c/d", ".hidden/x", "new\nline")
    (folder / "a/link").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "fifo")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
    assert files.post("delete", paths=["in/folder"]).json == {"deleted": 1}
    assert content(files.tree / "in") == {}
    assert content(tmp_path / "outside") == {"precious": "precious"}


def test_folders_without_end_are_refused(files: Files) -> None:
    """As a program in a loop makes them; each would take an open file."""
    deep = files.tree / "in/deep"
    deep.mkdir()
    here = Path.cwd()
    os.chdir(deep)
    try:
        for _ in range(300):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.chdir(here)
    for answer in (files.post("delete", paths=["in/deep"]), files.ask("/zip?path=in/deep")):
        assert answer.status == 409
        assert "folders within one another" in answer.json["error"]
    subprocess.run(["rm", "-rf", deep], check=True)


# -- the service itself


def test_a_refused_body_is_answered(files: Files) -> None:
    """Who asked first whether to send it, sends none."""
    large = b"x" * (8 << 20)
    answer = files.ask("/delete", large, method="POST")
    assert (answer.status, answer.whole) == (413, True)
    with files.connected() as connection:
        connection.sendall(b"POST /delete HTTP/1.1\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n")
        assert read(connection).status == 413
    with files.connected() as connection:
        body = json.dumps({"path": "in/asked"}).encode()
        head = f"POST /folder HTTP/1.1\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read(connection).status == 201


HEADS = {
    b"GET /list HTTP/1.1\r\n\r\n": 200,
    b"GET /list HTTP/1.0\nHost: x\n\n": 200,
    b"GET //list HTTP/1.1\r\n\r\n": 200,
    b"GET /list?path=in&path=none HTTP/1.1\r\n\r\n": 404,
    b"GET /list HTTP/2.0\r\n\r\n": 400,
    b"GET list HTTP/1.1\r\n\r\n": 400,
    b"get /list HTTP/1.1\r\n\r\n": 400,
    b"GET /li st HTTP/1.1\r\n\r\n": 400,
    b"GET /list HTTP/1.1\r\nno colon\r\n\r\n": 400,
    b"GET /list HTTP/1.1\r\nspace : x\r\n\r\n": 400,
    b"GET /list HTTP/1.1\r\nX: a\r\n folded\r\n\r\n": 400,
    b"GET /list HTTP/1.1\r\nX: \0\r\n\r\n": 400,
    b"GET /list HTTP/1.1\r\nX: " + b"x" * MOST_HEAD + b"\r\n\r\n": 431,
    b"GET /list HTTP/1.1\r\n" + b"X: x\r\n" * 20_000 + b"\r\n": 431,
    b"GET /" + b"x" * MOST_HEAD + b" HTTP/1.1\r\n\r\n": 431,
    b"GET /list?" + b"a&" * 20_000 + b" HTTP/1.1\r\n\r\n": 400,
    b"POST /delete HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 411,
    b"POST /delete HTTP/1.1\r\nContent-Length: -1\r\n\r\n": 411,
    b"POST /delete HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n": 411,
    b"POST /delete HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n": 411,
    b"GET /nothing HTTP/1.1\r\n\r\n": 404,
    b"GET / HTTP/1.1\r\n\r\n": 404,
    b"PUT /list HTTP/1.1\r\n\r\n": 405,
    b"\x16\x03\x01\x02\r\n": 400,
}


def test_whatever_is_asked_is_answered(files: Files) -> None:
    """By one line of JSON where it is no good."""
    for request, status in HEADS.items():
        with files.connected() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = read(connection)
        assert (answer.status, answer.whole) == (status, True), request[:80]
        assert status == 200 or answer.json["error"].isprintable()


def test_who_says_nothing_is_let_go(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a request, within a head, within a body."""
    monkeypatch.setattr(server.Handler, "timeout", 0.1)
    for begun in (b"", b"GET /list HT", b"POST /delete HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"):
        with files.connected() as connection:
            connection.sendall(begun)
            assert connection.recv(100) == b""


def test_too_many_at_once_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To come back; a fault of one request is one line, and ends no other."""

    def faulty(request: Request) -> Any:
        raise RuntimeError("a fault")

    with answering(tmp_path, {"fault": faulty, "good": lambda request: as_json({})}) as files:
        assert files.ask("/fault").json == {"error": "the service has a fault: see files.log"}
        waiting = [files.connected() for _ in range(server.MOST_AT_ONCE)]
        answer = files.ask("/good")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        for connection in waiting:
            connection.close()
        deadline = time.monotonic() + 30
        while files.ask("/good").status == 503:
            assert time.monotonic() < deadline
    assert capsys.readouterr().out == "visomaster-files: RuntimeError: a fault\n"
