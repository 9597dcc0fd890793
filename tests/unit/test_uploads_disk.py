"""Uploads and the disk: what is said to be there is there, whenever the service is killed, whatever the disk says, and
whatever the program has made of our files.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from visomaster_host.beneath import Folder
from visomaster_host.workspace import parts, placing, uploads
from visomaster_host.workspace.parts import files_of
from visomaster_host.workspace.space import Space

from tests.unit.uploading import Body, Client, tree

DATA = bytes(range(250)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of a service whose pieces are small."""
    monkeypatch.setattr(parts, "PIECE", 1000)
    monkeypatch.setattr(parts, "BUFFER", 500)
    with tree() as root:
        yield Client(root)


def _path(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


class Killed(BaseException):
    """The process is gone: nothing more is done."""


CHANGES = ("fsync", "fdatasync", "pwrite", "ftruncate", "mkdir", "link", "rename", "unlink", "fchmod", "utime")


class Recorder:
    """Everything that is done to the disk, in order: what, and to which file. `killed_at`: that call is the last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, killed_at: int | None = None) -> None:
        self.calls: list[tuple[str, str]] = []
        self._killed_at, self._dead = killed_at, False
        for name in CHANGES:
            monkeypatch.setattr(os, name, self._recorded(name, getattr(os, name)))

    def _recorded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*given: Any, **more: Any) -> Any:
            if self._dead or len(self.calls) == self._killed_at:
                self._dead = True
                raise Killed
            at = 1 if name in ("link", "rename") else 0
            what = _path(given[0]).name if type(given[0]) is int else given[at]
            self.calls.append((name, what))
            return function(*given, **more)

        return recorded

    def first(self, name: str, kind: str) -> int:
        """When the first call of `name` was made with a file whose name ends with `kind`."""
        return next(at for at, (what, which) in enumerate(self.calls) if what == name and str(which).endswith(kind))


# -- order


def test_bytes_are_on_disk_before_the_journal_says_so(client: Client) -> None:
    """And both before the answer does."""
    name = client.create(len(DATA)).name
    with pytest.MonkeyPatch.context() as patched:
        recorder = Recorder(patched)
        assert client.patch(name, 0, DATA[:900]).offset == 900
    assert [call for call in recorder.calls if call[0] != "ftruncate"] == [
        ("pwrite", f"{name}.part"),
        ("pwrite", f"{name}.part"),
        ("fdatasync", f"{name}.part"),
        ("pwrite", f"{name}.pieces"),
        ("fdatasync", f"{name}.pieces"),
    ]


def test_a_file_is_on_disk_before_it_has_its_name(client: Client) -> None:
    """And its name is, before the part is gone and the answer says it is done; so are the folders made for it."""
    with pytest.MonkeyPatch.context() as patched:
        recorder = Recorder(patched)
        said = client.create(3, "a", body=Body(b"abc"), relativePath="trip/a")
    assert said.headers["X-File"] == "in/trip/a"
    first = recorder.first
    order = [
        *(first("mkdir", "trip"), first("fsync", "in"), first("pwrite", ".part"), first("utime", ".part")),
        *(first("fsync", ".part"), first("link", "a"), first("fsync", "trip"), first("unlink", ".part")),
        first("unlink", ".json"),
    ]
    assert order == sorted(order)


# -- kills


def calls_of_an_upload() -> int:
    """How many things the disk is told for one upload."""
    with tree() as root, pytest.MonkeyPatch.context() as patched:
        recorder = Recorder(patched)
        _upload(Client(root))
        return len(recorder.calls)


def _upload(client: Client) -> None:
    made = client.create(len(DATA), "a", folder="in", body=Body(DATA[:2500]))
    client.patch(made.name, 2500, DATA[2500:])


def test_killed_anywhere_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each call that changes the disk: what is unfinished is listed, it goes on, and there is one right file."""
    monkeypatch.setattr(parts, "PIECE", 2000)
    monkeypatch.setattr(parts, "BUFFER", 500)
    monkeypatch.setattr(uploads.Uploads, "complete", lambda self, names: None)  # in a thread of its own
    monkeypatch.setattr(parts._Behind, "add", lambda self, line: self._act(line))  # in one thread: calls have an order
    for at in range(calls_of_an_upload()):
        with tree() as root:
            with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
                Recorder(patched, killed_at=at)
                _upload(Client(root))
            _go_on(Client(root))
            assert Client(root).files() == {"in/a": DATA}, at
            assert Client(root).listed() == []


def _go_on(client: Client) -> None:
    """As a person would: what is listed goes on from where it is, and one that is not known begins anew."""
    if client.files():  # it is done, and perhaps has not been told
        for each in client.listed():
            client.head(each["id"])
        return
    names = [each["id"] for each in client.listed()] or [client.create(len(DATA), "a").name]
    offset = client.head(names[0]).offset
    assert offset in (0, *range(2000, len(DATA) + 1))
    client.patch(names[0], offset, DATA[offset:])


def test_one_that_was_killed_at_its_end_is_done_when_somebody_looks(client: Client) -> None:
    name = client.create(len(DATA)).name
    with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Folder, "give_name", _raising(Killed()))
        client.patch(name, 0, DATA)
    later = client.restarted()
    assert [each["offset"] for each in later.listed()] == [len(DATA)]
    deadline = time.monotonic() + 30
    while later.listed() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert later.files() == {"in/a.mp4": DATA}


def _raising(error: BaseException) -> Callable[..., Any]:
    def raising(*given: Any, **more: Any) -> Any:
        raise error

    return raising


def test_a_file_that_has_its_name_already_gets_no_second_one(client: Client) -> None:
    """Killed behind the link; what the program has written into its own file since is not touched, either."""
    for then, content in ((None, DATA), (b"cut", b"cut")):
        name = client.create(len(DATA), "b").name
        with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
            patched.setattr(uploads.Store, "note", _raising(Killed()))
            client.patch(name, 0, DATA)
        if then is not None:
            (client.root / "in/b").write_bytes(then)
        said = client.restarted().head(name)
        assert said.status == (200 if then is None else 410)
        assert client.files() == {"in/b": content} and client.listed() == []
        (client.root / "in/b").unlink()


# -- bytes that change


@pytest.mark.parametrize("place", [0, 999, 1000, 4321, len(DATA) - 1])
@pytest.mark.parametrize("pieces", [(0,), (0, 3000), (0, 2500, 6001)])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_flipped_byte_is_found(client: Client, place: int, pieces: tuple[int, ...], restarted: bool) -> None:
    """The part goes on from the beginning of the piece that the byte is in, and is right in the end."""
    name = client.create(len(DATA)).name
    ends = [*pieces[1:], len(DATA) - 1]
    for start, end in zip(pieces, ends, strict=True):
        assert client.patch(name, start, DATA[start:end]).offset == end
        client = client.restarted() if restarted else client
    path = client.root / ".uploads" / files_of(name)[0]
    flipped = bytearray(path.read_bytes() + DATA[-1:])
    flipped[place] ^= 1
    path.write_bytes(flipped[: len(DATA) - 1])
    if place == len(DATA) - 1:
        assert client.patch(name, place, DATA[place:]).headers["X-Sha256"] == SHA256
        return
    said = client.patch(name, len(DATA) - 1, DATA[-1:])
    assert said.status == 500 and "needed again from byte" in said.document["error"] and client.files() == {}
    assert place - 1000 < said.offset <= place and client.head(name).offset == said.offset
    assert client.patch(name, said.offset, DATA[said.offset :]).headers["X-Sha256"] == SHA256
    assert client.files() == {"in/a.mp4": DATA}


def test_what_is_behind_the_journal_does_not_count(client: Client) -> None:
    name = client.create(len(DATA)).name
    client.patch(name, 0, DATA[:2500])
    with (client.root / ".uploads" / files_of(name)[0]).open("ab") as file:
        file.write(b"x" * len(DATA))
    for each in (client, client.restarted()):
        assert each.head(name).offset == 2500
    assert client.patch(name, 2500, DATA[2500:]).headers["X-Sha256"] == SHA256
    assert client.files() == {"in/a.mp4": DATA}


def test_what_did_not_count_does_not_count_after_a_restart(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    name = client.create(len(DATA)).name
    client.patch(name, 0, DATA[:2500])
    said = client.patch(name, 2500, DATA[2500:9000], upload_checksum="sha256 " + "A" * 44)
    assert said.status == 460 and client.restarted().head(name).offset == 2500
    monkeypatch.setattr(parts, "PIECE", 5000)  # fewer lines than were written before
    assert client.patch(name, 2500, DATA[2500:7000]).offset == client.restarted().head(name).offset == 7000
    assert client.restarted().patch(name, 7000, DATA[7000:]).headers["X-Sha256"] == SHA256


@pytest.mark.parametrize("at", [31, 32, 33, 34, 90, 98, 105, 107])
def test_a_line_of_the_journal_that_was_written_into_does_not_count(client: Client, at: int) -> None:
    name = client.create(len(DATA)).name
    for start in (0, 1000):
        client.patch(name, start, DATA[start : start + 1000])
    path = client.root / ".uploads" / files_of(name)[1]
    lines = bytearray(path.read_bytes())
    assert len(lines) == 2 * 108
    lines[108 + at] ^= 1
    path.write_bytes(lines)
    later = client.restarted()
    assert later.head(name).offset == 1000
    assert later.patch(name, 1000, DATA[1000:]).headers["X-Sha256"] == SHA256


# -- a disk that says no


@pytest.mark.parametrize("kind", [".part", ".pieces"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_it_goes_on(client: Client, kind: str, number: int) -> None:
    """The offset is true: bytes that were written in part count, those whose piece could not be noted do not."""
    name = client.create(len(DATA)).name
    real, left = os.pwrite, [2750 if kind == ".part" else 250]

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if _path(descriptor).suffix != kind:
            return real(descriptor, data, offset)
        if left[0] == 0:
            raise OSError(number, os.strerror(number))
        written = real(descriptor, data[: left[0]], offset)
        left[0] -= written
        return written

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "pwrite", pwrite)
        said = client.patch(name, 0, DATA)
    assert said.status == 507 and said.document["needed"] == len(DATA) - said.offset
    assert said.offset == (2750 if kind == ".part" else 2000) == client.restarted().head(name).offset
    assert client.patch(name, said.offset, DATA[said.offset :]).headers["X-Sha256"] == SHA256


def test_a_disk_that_fails_when_it_is_written_takes_nothing_back(client: Client) -> None:
    """After a failed fsync the kernel calls pages clean that never were written: those bytes have not arrived."""
    name = client.create(len(DATA)).name
    client.patch(name, 0, DATA[:1500])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fdatasync", _raising(OSError(errno.EIO, os.strerror(errno.EIO))))
        assert client.patch(name, 1500, DATA[1500:7000]).status == 500
    assert client.head(name).offset == client.restarted().head(name).offset == 1500
    assert client.patch(name, 1500, DATA[1500:]).headers["X-Sha256"] == SHA256


def test_the_reserve_stays(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle, too: the program fills the disk meanwhile."""
    name = client.create(len(DATA)).name
    free = itertools.chain([10_000] * 4, itertools.repeat(60))
    monkeypatch.setattr(parts, "space", lambda _: Space(free=next(free), total=1000))
    said = client.patch(name, 0, DATA)
    assert (said.status, said.offset) == (507, 2000)
    monkeypatch.setattr(parts, "space", lambda _: Space(free=10**9, total=1000))
    assert client.patch(name, 2000, DATA[2000:]).headers["X-Sha256"] == SHA256


def test_a_disk_that_is_full_at_creation(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came along stays, and the client is told how much of it."""
    free = itertools.chain([10_000], itertools.repeat(60))
    monkeypatch.setattr(parts, "space", lambda _: Space(free=next(free), total=1000))
    said = client.create(len(DATA), body=Body(DATA))
    assert said.status == 201 and said.offset == 500
    assert client.restarted().head(said.name).offset == 500


# -- file systems


def in_another_file_system(real: Callable[..., None]) -> Callable[..., None]:
    def give_name(folder: Folder, descriptor: int, name: str) -> None:
        if _path(descriptor).parent.name == ".uploads":
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(folder, descriptor, name)

    return give_name


def test_a_folder_of_another_file_system(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "give_name", in_another_file_system(Folder.give_name))
    for expected in ("in/a.mp4", "in/a%20%282%29.mp4"):
        said = client.create(len(DATA), body=Body(DATA), lastModified="1700000000000")
        assert said.headers["X-File"] == expected
    assert set(client.files().values()) == {DATA} and len(list((client.root / "in").iterdir())) == 2
    assert (client.root / "in/a.mp4").stat().st_mtime == 1700000000
    monkeypatch.setattr(placing, "space", lambda _: Space(free=10, total=100))
    name = client.create(len(DATA), body=Body(DATA[:-1])).name
    said = client.patch(name, len(DATA) - 1, DATA[-1:])
    assert said.status == 507 and said.offset == len(DATA) and len(list((client.root / "in").iterdir())) == 2
    monkeypatch.setattr(placing, "space", lambda _: Space(free=10**9, total=100))
    assert client.restarted().head(name).headers["X-File"] == "in/a%20%283%29.mp4"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_links(client: Client, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(Folder, "give_name", _raising(OSError(number, os.strerror(number))))
    for expected in ("in/a.mp4", "in/a%20%282%29.mp4"):
        assert client.create(len(DATA), body=Body(DATA)).headers["X-File"] == expected
    assert set(client.files().values()) == {DATA} and client.listed() == []


def test_names_that_are_taken_get_a_number() -> None:
    assert list(itertools.islice(placing.names("a.tar.gz"), 3)) == ["a.tar.gz", "a.tar (2).gz", "a.tar (3).gz"]
    for name in ("ü" * 127 + "b", "x" * 251 + ".mp4", "x." + "y" * 253, "👍🏽" * 31 + ".mp4"):
        found = list(placing.names(name))
        assert found[0] == name and len(set(found)) == len(found) == placing.MOST_OF_ONE_NAME
        assert all(len(each.encode()) <= 255 for each in found)
    assert next(itertools.islice(placing.names("x" * 251 + ".mp4"), 1, None)).endswith("x (2).mp4")


def test_no_file_is_replaced(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is taken is left, whatever has it; when too many are, the bytes stay."""
    monkeypatch.setattr(placing, "MOST_OF_ONE_NAME", 3)
    (client.root / "in/a").symlink_to("nowhere")
    (client.root / "in/a (2)").mkdir()
    assert client.create(3, "a", body=Body(b"abc")).headers["X-File"] == "in/a%20%283%29"
    name = client.create(3, "a", body=Body(b"ab")).name
    assert client.patch(name, 2, b"c").status == 409
    (client.root / "in/a").unlink()
    assert client.head(name).headers["X-File"] == "in/a"
