"""`workspace/` goes to a box and comes home, over a real sshd and rsync."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.sync.rig import Box, CutLine, tree, write
from vast import side, sync
from vast.sync import SyncError

NAMES = ("-rf", "a b", "ü", "日本.mp4", "$(touch x)", "'q\"", "#c", ";d", "e:f", "*", "\\g", "~h")


def test_all_goes_there_and_home_again(rented: Box, tmp_path: Path) -> None:
    """Whatever a name is, and with its time; a second time nothing is carried."""
    for name in NAMES:
        write(rented.here / "in" / name / name, name, at=1e9)
    write(rented.here / "state/app/last.json", "{}")
    write(rented.here / "out/old.mp4", "stays at home")
    assert rented.bring().carried == len(NAMES) + 1
    assert (rented.there / "in/a b/a b").stat().st_mtime == 1e9
    assert not list((rented.there / "out").iterdir())
    write(rented.there / "out/new.mp4", "made there").chmod(0o4777)
    write(rented.there / "notes.txt", "beside")
    found = rented.home()
    assert (found.carried, found.same) == (2, len(NAMES) + 1)
    assert tree(rented.here) == {**tree(rented.there), "out/old.mp4": b"stays at home"}
    assert (rented.here / "out/new.mp4").stat().st_mode & 0o7777 == 0o644
    assert rented.home().carried == 0
    assert rented.bring().carried == 0
    assert not list(tmp_path.rglob(side.INCOMING))


def test_sync_goes_both_ways(rented: Box) -> None:
    """All of the box home, what a person brings there; what the program keeps is the box's while it runs."""
    write(rented.here / "in/new", "ours")
    write(rented.here / "state/app/a", "older", at=1e9)
    write(rented.there / "state/app/a", "newer", at=2e9)
    write(rented.there / "out/b", "theirs")
    came, went = sync.sync(rented, rented.here, rented.said.append, at=rented.there, sleep=rented.paused.append)
    assert (came.carried, went.carried) == (2, 1)
    assert (rented.there / "in/new").read_text() == "ours"
    assert (rented.there / "state/app/a").read_text() == (rented.here / "state/app/a").read_text() == "newer"


def test_progress_is_told(rented: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vast.carrying.BETWEEN", 0)
    write(rented.there / "out/a", bytes(3_000_000))
    rented.home()
    assert rented.said[0] == "not at home yet: 1 file (3.0 MB)"
    assert any(re.fullmatch(r"\d+ % brought, [\d.,]+[kMG]?B/s, [\d:]+ left", line) for line in rented.said), rented.said
    assert rented.said[-1] == "at home now: 1 file (3.0 MB), and 0 that were there"


def replaced(folder: Path) -> dict[str, bytes]:
    """What gave way there, without the times."""
    kept = tree(folder / side.REPLACED) if (folder / side.REPLACED).exists() else {}
    return {path.partition("/")[2]: content for path, content in kept.items()}


def test_nothing_is_lost_where_both_differ(rented: Box) -> None:
    """One has the name, the other lies aside, once; and a deleted file comes back."""
    for path, ours, theirs in (("in/a", 1, 2), ("out/b", 1, 2), ("out/c", 2, 1), ("state/d", 1, 1)):
        write(rented.here / path, "ours", at=1e9 + ours)
        write(rented.there / path, "theirs!", at=1e9 + theirs)
    write(rented.there / "out/gone", "deleted here")
    rented.home()
    assert {path: (rented.here / path).read_text() for path in ("in/a", "out/b", "out/c", "state/d")} == {
        "in/a": "ours",
        "out/b": "theirs!",
        "out/c": "ours",
        "state/d": "theirs!",
    }
    aside = {"in/a": b"theirs!", "out/b": b"ours", "out/c": b"theirs!", "state/d": b"ours"}
    assert replaced(rented.here) == aside
    assert any("in/a differed: the other one is at home in .replaced/" in line for line in rented.said)
    assert rented.home().carried == 0 and replaced(rented.here) == aside, "not once more"
    rented.bring()
    assert (rented.there / "in/a").read_text() == "ours" and replaced(rented.there) == {"in/a": b"theirs!"}
    assert (rented.here / "out/gone").exists()


def test_the_same_content_of_another_time_is_the_same(rented: Box) -> None:
    write(rented.here / "out/a", "same", at=1e9)
    write(rented.there / "out/a", "same", at=2e9)
    assert rented.home().carried == 0
    assert not replaced(rented.here)


def test_only_files_come_home(rented: Box, tmp_path: Path) -> None:
    """No link, no device, nothing hidden, no name that a terminal obeys; each is told, none is followed."""
    secret = write(tmp_path / "secret", "of this machine")
    out = rented.there / "out"
    (out / "link").symlink_to(secret)
    (out / "folder").symlink_to(tmp_path)
    os.mkfifo(out / "fifo")
    write(out / ".hidden", "")
    write(out / "new\nline", "")
    write(out / "\x1b]0;x\x07", "")
    write(Path(os.fsdecode(os.fsencode(out) + b"/\xff")), "")
    write(rented.there / "state/app/tensorrt-engines/x.engine", "large")
    write(out / "good", "good")
    found = rented.home()
    assert tree(rented.here) == {"out/good": b"good"}
    assert len(found.left) == 8 and all(line.isprintable() for line in [*found.left, *rented.said])
    assert "out/link is a link" in found.left


def test_what_is_being_written_refuses_the_end(rented: Box) -> None:
    """The rest is home by then."""
    write(rented.there / "out/done.mp4", "done")
    with (rented.there / "out/recording.mp4").open("wb") as recording:
        recording.write(b"first")
        recording.flush()
        with pytest.raises(SyncError, match=r"out/recording\.mp4 is still being written: end the recording"):
            rented.home()
    assert (rented.here / "out/done.mp4").exists()
    assert rented.home().same == 2


def test_a_name_that_is_taken_by_a_folder_is_told(rented: Box) -> None:
    write(rented.there / "out/a/b", "there a folder")
    write(rented.here / "out/a", "here a file")
    with pytest.raises(SyncError, match="at home out/a/b: out/a is no folder"):
        rented.home()
    assert (rented.here / "out/a").read_text() == "here a file"


def test_what_arrived_before_is_not_in_the_way(rented: Box) -> None:
    """Of a time that was cut off, when what is a file now was a folder, and the other way round."""
    write(rented.here / side.INCOMING / "out/a/b", "x")
    write(rented.here / side.INCOMING / "out/c", "x")
    write(rented.there / "out/a", "file")
    write(rented.there / "out/c/d", "folder")
    with contextlib.suppress(SyncError):  # the first time clears it away
        rented.home()
    rented.home()
    assert tree(rented.here) == {"out/a": b"file", "out/c/d": b"folder"}


def test_a_link_at_home_is_not_written_through(rented: Box, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    rented.here.mkdir()
    (rented.here / "out").symlink_to(tmp_path / "elsewhere")
    write(rented.there / "out/a", "x")
    with pytest.raises(SyncError, match="out is no folder"):
        rented.home()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_box_without_rsync_is_told(rented: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vast.sides.RSYNC", "no-such-rsync")
    with pytest.raises(SyncError, match=r"^no-such-rsync: no such program on the box: `apt-get install"):
        rented.home()


def test_a_machine_without_rsync_is_told(rented: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SyncError, match=r"^rsync: no such program on this machine: install it"):
        rented.home()


def test_nobody_there_is_told(rented: Box) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        rented.port, rented.shared = nobody.getsockname()[1], None
        with pytest.raises(SyncError, match=r"^the box cannot be reached: .*Connection refused"):
            rented.home()
    assert len(rented.paused) == 5


def test_a_full_disk_at_home_leaves_all_on_the_box(rented: Box, tmp_path: Path) -> None:
    """Known before a byte is carried."""
    assert os.geteuid() == 0, "needs root, to mount a small disk"
    rented.here.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", rented.here], check=True)
    try:
        write(rented.there / "out/large", bytes(3_000_000))
        with pytest.raises(SyncError, match=r"^at home 0\.00 GB are needed and 0\.00 GB are free: make room"):
            rented.home()
    finally:
        subprocess.run(["umount", rented.here], check=True)
    assert (rented.there / "out/large").stat().st_size == 3_000_000


def test_a_line_that_breaks_goes_on_where_it_was(rented: Box) -> None:
    """Twice in one file, and killed once: each byte comes about once."""
    size = 24_000_000
    write(rented.there / "out/large.mp4", os.urandom(size))
    line = CutLine(rented.port, [size // 3, size // 3])
    rented.port, rented.shared = line.port, None
    try:
        assert rented.home().carried == 1
    finally:
        line.close()
    assert (rented.here / "out/large.mp4").read_bytes() == (rented.there / "out/large.mp4").read_bytes()
    assert line.carried < size * 1.1
    assert len([line for line in rented.said if "again in 1 s" in line]) == 2
    assert all(line.startswith("the line to the box broke: ") for line in rented.said if "again in" in line)


def test_a_line_that_breaks_for_good_is_told(rented: Box) -> None:
    """What arrived is kept."""
    write(rented.there / "out/large.mp4", os.urandom(16_000_000))
    line = CutLine(rented.port, [12_000_000, *[2000] * 9])
    rented.port, rented.shared = line.port, None
    try:
        with pytest.raises(SyncError, match="what arrived is kept"):
            rented.home()
    finally:
        line.close()
    # Of 12 MB, less what was in pipes and sockets when the line broke: up to 6 MB in a socket, 2 in SSH's window.
    assert (rented.here / side.INCOMING / "out/large.mp4").stat().st_size > 3_000_000
    assert not (rented.here / "out").exists()
