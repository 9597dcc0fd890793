"""Folders by descriptor: root is led nowhere, and goes where only root can have led it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from visomaster_host import beneath, display, paths, prepare
from visomaster_host.beneath import Folder
from visomaster_host.environment import read_environment
from visomaster_host.files import Owner, ensure_directory, write_atomic
from visomaster_host.problems import Problem

from tests.unit.hostile import UID, exchanging, give
from tests.unit.test_host_facts import host

ROOT = Owner(uid=0, gid=0)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of somebody else's."""
    give(tmp_path / "theirs")
    return tmp_path / "theirs"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of root's."""
    folder = tmp_path / "victim"
    (folder / "inner").mkdir(parents=True)
    (folder / "precious").write_text("precious")
    return folder


def _write(path: Path) -> None:
    write_atomic(path / "inner/file", b"x", mode=0o600, owner=Owner(uid=UID, gid=UID))


def _make(path: Path) -> None:
    ensure_directory(path / "inner", mode=0o700, owner=Owner(uid=UID, gid=UID))


def _make_deep(path: Path) -> None:
    ensure_directory(path / "made/deeper", mode=0o700, owner=Owner(uid=UID, gid=UID))


def state(folder: Path) -> list[tuple[str, int, int]]:
    """What stands in a folder, whose it is, who may do what."""
    return sorted((str(path), path.lstat().st_uid, path.lstat().st_mode) for path in (folder, *folder.rglob("*")))


@pytest.mark.parametrize("act", [_write, _make, _make_deep])
def test_a_folder_that_is_a_link_by_turns_leads_nowhere(
    theirs: Path, victim: Path, act: Callable[[Path], None]
) -> None:
    """Long enough that the same by path has won many times."""
    give(theirs / "place", theirs / "place/inner")
    before, refused, done = state(victim), 0, 0
    with exchanging(theirs / "place", theirs / "spare", victim):
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            try:
                act(theirs / "place")
                done += 1
            except OSError:
                refused += 1
            assert state(victim) == before
    assert done and refused, "it was no race"


def test_links_of_roots_own_are_followed(tmp_path: Path, victim: Path) -> None:
    """As /var/run is one on every Debian."""
    tmp_path.chmod(0o755)
    (tmp_path / "one").symlink_to(victim)
    (tmp_path / "two").symlink_to("one/inner/../inner")
    write_atomic(tmp_path / "two/file", b"x", mode=0o600, owner=ROOT)
    assert (victim / "inner/file").read_bytes() == b"x"


def test_a_link_below_somebodys_folder_is_named(theirs: Path, victim: Path) -> None:
    """Whoever laid it: they could have brought it there."""
    (theirs / "link").symlink_to(victim)
    with pytest.raises(OSError, match=r"is a link that others than root may have laid.*theirs/link'"):
        Folder.open(theirs / "link")


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        Folder.open(tmp_path / "a")


def test_in_a_folder_for_everybody_only_roots_links_are_followed(tmp_path: Path, victim: Path) -> None:
    """A mount of secrets is such a folder: `..data` in it leads to the present ones."""
    mount = tmp_path / "secrets"
    mount.mkdir()
    mount.chmod(0o1777)
    (mount / "data").symlink_to(victim)
    (mount / "token").symlink_to("data/precious")
    assert beneath.read(mount / "token", 100) == b"precious"
    os.lchown(mount / "token", UID, UID)
    with pytest.raises(OSError, match="a link that others than root may have laid"):
        beneath.read(mount / "token", 100)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_only_regular_files_are_read(theirs: Path, victim: Path, kind: str) -> None:
    """And nobody is waited for."""
    place = theirs / "place"
    {"pipe": lambda: os.mkfifo(place), "folder": place.mkdir, "link": lambda: place.symlink_to(victim / "precious")}[
        kind
    ]()
    with pytest.raises(OSError, match=r"no regular file|a link that|symbolic links"):
        beneath.read(place, 100)
    with pytest.raises(OSError, match=r"no regular file|symbolic links"):
        beneath.open_file(place)


def test_whose_a_folder_is(tmp_path: Path, theirs: Path) -> None:
    for path, only_root in ((tmp_path, True), (theirs, False), (Path("/tmp"), False)):
        with Folder.open(path) as folder:
            assert folder.only_root is only_root, path
    (theirs / "inner").mkdir()  # root's, but they can move it away and put another in its place
    with Folder.open(theirs / "inner") as folder:
        assert not folder.only_root


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'"):
        write_atomic(tmp_path / "file", b"x", mode=0o600, owner=ROOT)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_put_aside_where_others_made_it(tmp_path: Path, theirs: Path) -> None:
    """A start does not fail because the program made a folder where its own cookie goes."""
    for folder in (theirs, tmp_path):
        (folder / "file/full").mkdir(parents=True)
    write_atomic(theirs / "file", b"x", mode=0o600, owner=ROOT)
    assert (theirs / "file").read_bytes() == b"x"
    assert len(list(theirs.glob(".file.*.aside/full"))) == 1
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "file", b"x", mode=0o600, owner=ROOT)


# -- the programs that prepare services, as root, in folders of the program's user


def test_a_display_that_is_gone_leaves_nothing(tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock and socket go, links and all; what a link leads to stays, and nobody is connected to through it."""
    import socket

    sockets = tmp_path / ".X11-unix"
    sockets.mkdir(mode=0o1777)
    tmp_path.chmod(0o1777)
    monkeypatch.setattr(paths, "X11_LOCKS", tmp_path)
    monkeypatch.setattr(paths, "X11_SOCKETS", sockets)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(victim / "socket"))
        listening.listen()
        (sockets / "X1").symlink_to(victim / "socket")
        (tmp_path / ".X1-lock").symlink_to(victim / "precious")
        display.make_room(host())
        assert sorted(path.name for path in victim.iterdir()) == ["inner", "precious", "socket"]
        assert list(sockets.iterdir()) == [] and not (tmp_path / ".X1-lock").is_symlink()
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_store_that_was_the_programs_becomes_roots(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume of an older host; a link there is refused, and said."""
    monkeypatch.setattr(paths, "MODELS", theirs)
    prepare.own_model_store()
    assert theirs.stat().st_uid == 0


def test_a_link_in_place_of_the_store_is_said(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").symlink_to(victim)
    os.lchown(tmp_path / "models", UID, UID)
    os.chown(victim, UID, UID)
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    prepare.own_model_store()
    assert victim.stat().st_uid == UID
    assert "the folder stays as it is" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_secrets_file_in_somebodys_folder_is_only_a_file(theirs: Path, victim: Path, kind: str) -> None:
    """A start does not wait at a pipe for ever, nor take root's own files for a password."""
    if kind == "pipe":
        os.mkfifo(theirs / "password")
    else:
        (theirs / "password").symlink_to(victim / "precious")
    with pytest.raises(Problem, match=r"VNC_PASSWORD_FILE: cannot read .*: is (no regular file|a link that others)"):
        read_environment({"VNC_PASSWORD_FILE": str(theirs / "password")}, host())
