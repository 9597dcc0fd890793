"""What the program, which is the same user, may make of the hidden files of uploads."""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from visomaster_host.workspace.parts import files_of

from tests.unit.uploading import Body, Client, tree


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a new service."""
    with tree() as root:
        yield Client(root)


def _json(text: str) -> Callable[[Path, str, Path], None]:
    return lambda folder, name, victim: folder.joinpath(f"{name}.json").write_text(text) and None


def _link(kind: str) -> Callable[[Path, str, Path], None]:
    return lambda folder, name, victim: _instead(folder / f"{name}{kind}").symlink_to(victim)


def _hard(kind: str) -> Callable[[Path, str, Path], None]:
    return lambda folder, name, victim: _instead(folder / f"{name}{kind}").hardlink_to(victim)


def _fifo(kind: str) -> Callable[[Path, str, Path], None]:
    return lambda folder, name, victim: os.mkfifo(_instead(folder / f"{name}{kind}"))


def _folder(kind: str) -> Callable[[Path, str, Path], None]:
    return lambda folder, name, victim: _instead(folder / f"{name}{kind}").mkdir()


def _gone(kind: str) -> Callable[[Path, str, Path], None]:
    return lambda folder, name, victim: _instead(folder / f"{name}{kind}") and None


def _filled(kind: str, content: bytes, size: int = 0) -> Callable[[Path, str, Path], None]:
    def fill(folder: Path, name: str, victim: Path) -> None:
        (folder / f"{name}{kind}").write_bytes(content)
        if size:
            os.truncate(folder / f"{name}{kind}", size)

    return fill


def _instead(path: Path) -> Path:
    path.unlink()
    return path


def _uploads_a_link(folder: Path, name: str, victim: Path) -> None:
    folder.rename(folder.with_name("aside"))
    folder.symlink_to(victim.parent)


def _uploads_a_file(folder: Path, name: str, victim: Path) -> None:
    folder.rename(folder.with_name("aside"))
    folder.write_text("x")


def _done_a_file(folder: Path, name: str, victim: Path) -> None:
    (folder / "done").write_text("x")


def _done_a_link(folder: Path, name: str, victim: Path) -> None:
    (folder / "done").symlink_to(victim.parent)


def _said_done(text: str) -> Callable[[Path, str, Path], None]:
    def say(folder: Path, name: str, victim: Path) -> None:
        (folder / "done").mkdir()
        (folder / "done" / f"{name}.json").write_text(text)

    return say


WISH = '{"size": 9, "folder": "in", "name": "a", "relative_path": "", "last_modified": null}'
HOSTILE: dict[str, Callable[[Path, str, Path], None]] = {
    "json: nothing": _json(""),
    "json: deep": _json("[" * 60_000),
    "json: a list": _json("[]"),
    "json: no UTF-8": _filled(".json", b"\xff\xfe"),
    "json: huge": _filled(".json", WISH.encode(), 1 << 33),
    "json: leads out": _json(WISH.replace('"in"', '"../.."')),
    "json: a hidden name": _json(WISH.replace('"a"', '".bashrc"')),
    "json: half a letter": _json(WISH.replace('"a"', '"\\ud800"')),
    "json: a huge size": _json(WISH.replace("9", "9" * 4000)),
    "json: not a number": _json(WISH.replace("9", "NaN")),
    "json: yes": _json(WISH.replace("9", "true")),
    "json: a huge time": _json(WISH.replace("null", "9" * 30)),
    **{
        f"{kind}: {what.__name__}": what(kind)
        for kind, what in itertools.product((".json", ".part", ".pieces"), (_link, _hard, _fifo, _folder, _gone))
    },
    "part: huge": _filled(".part", b"", 1 << 40),
    "journal: noise": _filled(".pieces", os.urandom(5000)),
    "journal: huge": _filled(".pieces", b"", 1 << 40),
    "journal: zeros": _filled(".pieces", b"", 50 << 20),
    "uploads: a link": _uploads_a_link,
    "uploads: a file": _uploads_a_file,
    "done: a file": _done_a_file,
    "done: a link": _done_a_link,
    "done: noise": _said_done("{"),
    "done: half a letter": _said_done('{"path": "in/\\ud800", "sha256": "%s", "size": 1}' % ("0" * 64)),
    "done: a header": _said_done('{"path": "in/a", "sha256": "0\\r\\nX: y", "size": 1}'),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_whatever_the_program_writes_there(client: Client, what: str) -> None:
    """A refusal or an upload that is ignored: quickly, and nothing is written, or shown, that is elsewhere."""
    victim = client.root.with_name("elsewhere") / "precious"
    victim.parent.mkdir()
    victim.write_bytes(b"precious!")
    name = client.create(9, "a", body=Body(b"12345")).name
    before = _state(victim.parent)
    HOSTILE[what](client.root / ".uploads", name, victim)
    started = time.monotonic()
    client = client.restarted()
    said = [
        *(client.ask("GET"), client.head(name), client.patch(name, 5, b"6789"), client.patch(name, 0, b"123456789")),
        *(client.create(3, "b", body=Body(b"abc")), client.ask("DELETE", name), client.ask("GET")),
    ]
    client.uploads.complete([name])
    assert {each.status for each in said} <= {200, 201, 204, 403, 404, 409, 410, 413, 500}
    assert all(each.document["error"].count("\n") == 0 for each in said if "error" in each.document)
    assert time.monotonic() - started < 30
    assert _state(victim.parent) == before
    for path, content in client.files().items():
        assert path in ("in/a", "in/b") or path.startswith("aside/") or path == ".uploads", path
        assert b"precious" not in content


@pytest.mark.parametrize("size", [1, 107, 50 << 20, 1 << 40])
def test_a_journal_of_nothing_begins_anew(client: Client, size: int) -> None:
    name = client.create(9, "a", body=Body(b"12345")).name
    _filled(".pieces", b"", size)(client.root / ".uploads", name, client.root)
    later = client.restarted()
    assert later.head(name).offset == 0
    assert later.patch(name, 0, b"123").offset == client.restarted().head(name).offset == 3
    assert client.restarted().patch(name, 3, b"456789").headers["X-File"] == "in/a"
    assert client.files() == {"in/a": b"123456789"}


def _state(folder: Path) -> list[tuple[str, bytes, int]]:
    return sorted((path.name, path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir())


def test_what_lost_one_of_its_files_is_removed_after_a_day(client: Client) -> None:
    name = client.create(9, "a", body=Body(b"12345")).name
    folder = client.root / ".uploads"
    lost = "0" * 32
    for each in (f"{lost}.part", f".{lost}.json.0123456789abcdef.new", "note.txt"):
        (folder / each).write_bytes(b"x")
    for path in _files(folder):
        os.utime(path, (0, 0))
    client.restarted().create(0)
    left = {path.name for path in _files(folder) if path.parent == folder}
    assert left == {f"{name}.json", *files_of(name), "note.txt"}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
