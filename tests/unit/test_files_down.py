"""Files on their way to a person: whole, in parts, as a zip; never one that only looks like it."""

from __future__ import annotations

import errno
import io
import os
import select
import socket
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from visomaster_host.workspace import archive, server, stored_zip
from visomaster_host.workspace.download import attachment, part_of
from visomaster_host.workspace.stored_zip import StoredZip

from tests.unit.answering import Files, answering, read

CONTENT = bytes(range(256)) * 16


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits to see whether a file of these tests is written to."""
    monkeypatch.setattr(archive, "LOOKED_AGAIN", 0.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """The service, with a video in its tree."""
    with answering(tmp_path_factory.mktemp("files")) as running:
        (running.tree / "in/a b.mp4").write_bytes(CONTENT)
        os.utime(running.tree / "in/a b.mp4", (1_700_000_000, 1_700_000_000))
        yield running


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        *(("bytes=0-", range(100)), ("bytes=5-9", range(5, 10)), ("bytes=90-200", range(90, 100))),
        *(("bytes=-7", range(93, 100)), ("bytes=-700", range(100)), ("bytes=100-", None), ("bytes=-0", None)),
        *(
            ("BYTES=1-1", range(1, 2)),
            ("bytes=9-5", range(100)),
            ("bytes=1-2,4-5", range(100)),
            ("bytes=-", range(100)),
            ("x", range(100)),
        ),
    ],
)
def test_the_part_that_is_meant(asked: str, part: range | None) -> None:
    """RFC 9110, 14.1.2: what is not understood means all, what is beyond the end nothing."""
    assert part_of(asked, 100) == part


def test_of_an_empty_file_there_is_no_part() -> None:
    assert part_of("bytes=0-", 0) is None


def test_a_download_goes_on_where_it_ended(files: Files) -> None:
    """As `curl -C -` and browsers do it: from its end, if it is still that file."""
    whole = files.ask("/file/in/a%20b.mp4")
    assert (whole.status, whole.body) == (200, CONTENT)
    tag = whole.headers["etag"]
    for known in ({}, {"If-Range": tag}, {"If-Range": whole.headers["last-modified"]}):
        rest = files.ask("/file/in/a%20b.mp4", headers={"Range": "bytes=1000-", **known})
        assert (rest.status, rest.body) == (206, CONTENT[1000:])
        assert rest.headers["content-range"] == f"bytes 1000-{len(CONTENT) - 1}/{len(CONTENT)}"
    for other in ('"x"', "Tue, 14 Nov 2023 22:13:21 GMT", f"W/{tag}"):
        again = files.ask("/file/in/a%20b.mp4", headers={"Range": "bytes=1000-", "If-Range": other})
        assert (again.status, again.body) == (200, CONTENT)


def test_a_file_that_is_known_is_not_sent(files: Files) -> None:
    tag = files.ask("/file/in/a%20b.mp4", method="HEAD").headers["etag"]
    for known in ({"If-None-Match": f'"x", W/{tag}'}, {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"}):
        answer = files.ask("/file/in/a%20b.mp4", headers=known)
        assert (answer.status, answer.body) == (304, b"")
    assert files.ask("/file/in/a%20b.mp4", headers={"If-None-Match": '"x"'}).status == 200


def test_another_file_of_the_same_size_and_second_has_another_tag(files: Files) -> None:
    place = files.tree / "in/twice.mp4"
    place.write_bytes(b"one")
    before = files.ask("/file/in/twice.mp4").headers["etag"]
    os.utime(place, ns=(0, place.stat().st_mtime_ns + 1))
    assert files.ask("/file/in/twice.mp4").headers["etag"] != before


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_is_a_good_header(name: str) -> None:
    """One line of ASCII, whose quotes are closed."""
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


def _being_read(files: Files, target: str) -> socket.socket:
    """A connection on which the answer has begun to come, and waits for its reader."""
    connection = files.connected()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    connection.recv(1, socket.MSG_PEEK)
    return connection


@pytest.mark.parametrize("target", ["/file/in/large.bin", "/zip?path=in/large.bin"])
def test_what_becomes_shorter_ends_short(files: Files, target: str) -> None:
    """Never filled up with something: who reads sees that it is not all."""
    place = files.tree / "in/large.bin"
    place.write_bytes(os.urandom(4 << 20))
    with _being_read(files, target) as connection:
        os.truncate(place, 1 << 20)
        assert not read(connection).whole


def test_a_file_system_that_the_kernel_cannot_send_from(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as some of FUSE, which people mount at /workspace."""

    def refusing(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", refusing)
    assert files.ask("/file/in/a%20b.mp4", headers={"Range": "bytes=7-"}).body == CONTENT[7:]


@pytest.mark.parametrize("seconds", [-(2**40), 2**33])
def test_a_time_that_http_has_no_date_for(files: Files, seconds: int) -> None:
    """As a broken clock or a program of ill will writes it."""
    (files.tree / "in/odd.mp4").write_bytes(CONTENT)
    os.utime(files.tree / "in/odd.mp4", (0, seconds))
    assert files.ask("/file/in/odd.mp4").body == CONTENT
    assert files.ask("/zip?path=in/odd.mp4").whole
    assert files.ask("/list?path=in").status == 200


def test_what_grows_is_sent_as_it_was(files: Files) -> None:
    place = files.tree / "in/large.bin"
    place.write_bytes(before := os.urandom(4 << 20))
    with _being_read(files, "/file/in/large.bin") as connection:
        with place.open("ab") as file:
            file.write(b"more")
        assert read(connection).body == before


@pytest.mark.parametrize("change", ["grows", "is written over", "goes"])
def test_a_zip_of_what_is_written_to_ends_short(files: Files, change: str) -> None:
    """It would look good, and hold half of one and half of the other."""
    folder = files.tree / "in" / change
    folder.mkdir()
    (folder / "1").write_bytes(os.urandom(4 << 20))
    (folder / "2").write_bytes(b"x" * 100)
    with _being_read(files, f"/zip?path=in/{change.replace(' ', '%20')}") as connection:
        if change == "grows":
            with (folder / "2").open("ab") as file:
                file.write(b"more")
        elif change == "goes":
            (folder / "2").unlink()
        else:
            (folder / "2").write_bytes(b"y" * 100)
        assert not read(connection).whole


def test_who_reads_nothing_is_let_go(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes; here after less."""
    monkeypatch.setattr(server, "STALLED", 0.2)
    (files.tree / "in/large.bin").write_bytes(os.urandom(4 << 20))
    for target in ("/file/in/large.bin", "/zip?path=in/large.bin"):
        with _being_read(files, target) as connection:
            ended = select.poll()
            ended.register(connection, 0)  # nothing but the end
            assert ended.poll(5000)
            assert not read(connection).whole


def _tree(root: Path) -> dict[str, bytes | None]:
    """What is below `root`, None for a folder."""
    return {path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes() for path in root.rglob("*")}


def test_a_folder_comes_as_a_zip(files: Files, tmp_path: Path) -> None:
    """With its empty folders and times, without links, devices and what is hidden; its length is said before."""
    out = files.tree / "out"
    (out / "trip/empty").mkdir(parents=True)
    (out / "trip/\u00fcber.mp4").write_bytes(CONTENT)
    (out / "trip/nothing.txt").touch()
    os.utime(out / "trip/\u00fcber.mp4", (1_700_000_000, 1_700_000_000))
    (out / ".hidden").write_text("x")
    (out / "link").symlink_to("/etc/passwd")
    os.mkfifo(out / "fifo")
    answer = files.ask("/zip?path=out/trip&path=in/a%20b.mp4&path=out&name=results")
    assert answer.whole
    assert answer.headers["content-disposition"].startswith('attachment; filename="results.zip"')
    with zipfile.ZipFile(io.BytesIO(answer.body)) as found:
        assert found.testzip() is None
        assert found.getinfo("trip/\u00fcber.mp4").date_time == (2023, 11, 14, 22, 13, 20)
        found.extractall(tmp_path)
    (out / "link").unlink(), (out / "fifo").unlink(), (out / ".hidden").unlink()
    trip = {f"trip/{name}": content for name, content in _tree(out / "trip").items()}
    inside = {f"out/{name}": content for name, content in _tree(out).items()}
    assert _tree(tmp_path) == {"trip": None, **trip, "a b.mp4": CONTENT, "out": None, **inside}


def test_names_in_a_zip_are_there_once(files: Files) -> None:
    """A backslash, which Windows takes for the end of a folder's name, is none."""
    for place in ("in/one/same.mp4", "in/two/same.mp4", "in/one/a\\b", "in/one/a_b"):
        (files.tree / place).parent.mkdir(exist_ok=True)
        (files.tree / place).write_text(place)
    answer = files.ask("/zip?path=in/one/same.mp4&path=in/two/same.mp4&path=in/one")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as found:
        assert {name: found.read(name).decode() for name in found.namelist()} == {
            "same.mp4": "in/one/same.mp4",
            "same (2).mp4": "in/two/same.mp4",
            "one/": "",
            "one/a_b": "in/one/a\\b",
            "one/a_b (2)": "in/one/a_b",
            "one/same.mp4": "in/one/same.mp4",
        }


def test_a_recording_that_goes_on_is_told_before_the_zip_begins(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not where the zip would end, after hours; what has come to its end just now is in it."""
    place = files.tree / "in/going on/recording.mp4"
    place.parent.mkdir()
    place.write_bytes(b"begun")
    assert files.ask("/zip?path=in/going%20on").whole

    def writing(seconds: float) -> None:
        with place.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(archive.time, "sleep", writing)
    answer = files.ask("/zip?path=in/going%20on")
    told = "in/going on/recording.mp4: is being written to: wait for its end, or leave it out"
    assert (answer.status, answer.json) == (409, {"error": told})
    os.utime(place, (0, 0))
    assert files.ask("/zip?path=in/going%20on").whole


def test_too_much_for_one_zip_is_refused_before_it_begins(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST", 2)
    assert files.ask("/zip?path=in").json == {"error": "more than 2 files and folders: choose fewer of them"}
    assert files.ask("/zip").status == 400
    assert files.ask("/zip?path=in/none").status == 404
    assert files.ask("/zip?path=in&name=../x").status == 400


members = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0\\"), min_size=1, max_size=40),
    st.tuples(st.binary(max_size=60), st.floats(-1e12, 1e12)),
    max_size=12,
)


@given(members, st.sampled_from([3, 40, 0xFFFFFFFF]), st.sampled_from([2, 0xFFFF]))
def test_any_zip_is_as_long_as_said_and_read_by_others(
    content: dict[str, tuple[bytes, float]], most_32: int, most_16: int
) -> None:
    """Also where sizes, places and numbers are written as Zip64, which begins at 4 GiB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_zip, "_MOST_32", most_32)
        patch.setattr(stored_zip, "_MOST_16", most_16)
        made = StoredZip()
        for name, (data, modified) in content.items():
            made.add(name, size=len(data), modified=modified)
        written = io.BytesIO()
        data = [each for each, _ in content.values()]
        made.write(written.write, lambda index: [memoryview(data[index])] if data[index] else [])
        assert len(written.getvalue()) == made.length
    if most_32 == 0xFFFFFFFF and most_16 == 0xFFFF:
        with zipfile.ZipFile(written) as found:
            assert {info.orig_filename: found.read(info) for info in found.infolist()} == {
                name: each for name, (each, _) in content.items()
            }


def test_a_zip_of_more_than_four_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large in it is a hole, of which nobody makes a checksum."""
    made, large = StoredZip(), 5 * 1024**3
    piece = memoryview(bytes(1 << 20))
    checksum = SimpleNamespace(crc32=lambda data, begun: begun if data is piece else zlib.crc32(data, begun))
    monkeypatch.setattr(stored_zip, "zlib", checksum)
    for name, size in (("small", 3), ("large", large), ("after", 2)):
        made.add(name, size=size, modified=0)
    place = tmp_path / "large.zip"
    with place.open("wb") as file:

        def output(data: bytes | memoryview) -> None:
            file.seek(len(data), os.SEEK_CUR) if data is piece else file.write(data)

        made.write(output, lambda index: [piece] * 5120 if index == 1 else [memoryview(b"abc")[: made.size(index)]])
        file.truncate()
    assert place.stat().st_size == made.length
    with zipfile.ZipFile(place) as found:
        assert {info.filename: info.file_size for info in found.infolist()} == {"small": 3, "large": large, "after": 2}
        assert (found.read("small"), found.read("after")) == (b"abc", b"ab")
    subprocess.run(["unzip", "-l", place], check=True, capture_output=True)
