"""A box that does what it likes writes nothing outside of the folder, and nothing that it did not prove."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.sync.rig import Box, tree, write
from vast import side
from vast.carrying import LEAST
from vast.sync import SyncError

ANSWERS = """#!/usr/bin/python3
import json, sys
asked = json.load(sys.stdin)
print("x" + asked["mark"] + json.dumps({"answer": json.load(open(sys.argv[0] + ".json"))[asked["call"]]}))
"""


@pytest.fixture
def hostile(rented: Box) -> Any:
    """Programs that a box has in place of its own: `answers` of python3 by what it is asked, and a `rsync`."""
    bin_ = rented.key.parent / "box/bin"

    def be(answers: dict[str, Any] | None = None, rsync: str = "") -> Box:
        if answers is not None:
            write(bin_ / "python3", ANSWERS).chmod(0o755)
            write(bin_ / "python3.json", json.dumps(answers))
        if rsync:
            write(bin_ / "rsync", f"#!/bin/sh\n{rsync}\n").chmod(0o755)
        return rented

    yield be
    for program in bin_.iterdir():
        program.unlink()


def listing(*files: Any, left: Any = ()) -> dict[str, Any]:
    return {"files": list(files), "left": list(left), "free": 1 << 40}


def test_names_that_lead_out_of_the_folder_are_left(hostile: Any, tmp_path: Path) -> None:
    """Listed by a box, they are not even asked for."""
    names = (
        "../evil",
        "/etc/evil",
        "a/../../evil",
        "",
        ".",
        "out/.git/hooks/x",
        ".ssh/x",
        "a//b",
        "x\ny",
        "a\udc80",
        "out/",
    )
    said = listing(*([name, 1, 1] for name in names), left=[["\x1b[2J", "\x1b]0;"]])
    box = hostile({"listing": said, "digests": {}, "written": []})
    before = tree(tmp_path)
    found = box.home()
    assert found.carried == 0 and len(found.left) == len(names) + 1
    assert tree(tmp_path) == before
    assert all(line.isprintable() for line in [*found.left, *box.said])


@pytest.mark.parametrize(
    "answers",
    [
        {"listing": None},
        {"listing": []},
        {"listing": {"files": 1, "left": [], "free": 1}},
        {"listing": listing(["a"])},
        {"listing": listing(["a", "1", 1])},
        {"listing": listing(["a", 1, None])},
        {"listing": listing([None, 1, 1])},
        {"listing": listing(left=[1])},
        {"listing": listing(), "written": {"a": 1}},
        {"listing": listing(), "written": [1]},
        {},
    ],
)
def test_an_odd_answer_is_one_line(hostile: Any, answers: dict[str, Any]) -> None:
    with pytest.raises(SyncError, match=r"^(on the box: expected|the box: )") as told:
        hostile(answers).home()
    assert str(told.value).isprintable()


def test_a_box_that_says_nothing_of_itself_is_one_line(rented: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vast.sides.OnBox._run", lambda *_: "0")
    with pytest.raises(SyncError, match="no such program on the box"):
        rented.home()


@pytest.mark.parametrize("digests", [{}, {"out/a": 5}, {"out/a": ["x", 1, 1]}, {"out/a": [0, 1, 1]}, None])
def test_an_odd_digest_proves_nothing(hostile: Any, digests: Any) -> None:
    box = hostile({"listing": listing(["out/a", 1, 10**18]), "digests": digests, "written": []})
    write(box.there / "out/a", "x")
    with pytest.raises(SyncError, match=r"^on the box: expected its digests"):
        box.home()
    assert not (box.here / "out/a").exists()


def test_other_bytes_than_it_says_have_no_name(hostile: Any) -> None:
    sha256 = hashlib.sha256(b"y").hexdigest()
    box = hostile({"listing": listing(["out/a", 1, 10**18]), "digests": {"out/a": [sha256, 1, 10**18]}, "written": []})
    write(box.there / "out/a", "x")
    with pytest.raises(SyncError, match="at home out/a: did not arrive as it was"):
        box.home()
    assert not (box.here / "out/a").exists()


@pytest.mark.parametrize(
    ("rsync", "said"),
    [
        ("echo Welcome", "rsync ended with status 2: protocol version mismatch"),
        ("exit 0", "the line to the box broke"),
        (r"printf '\033]0;x\007' >&2; exit 3", "the line to the box broke|rsync ended"),
        ("head -c 3000000 /dev/urandom", "rsync ended with status|the line to the box broke"),
    ],
)
def test_a_rsync_that_is_none_is_one_line(hostile: Any, rsync: str, said: str) -> None:
    box = hostile(rsync=rsync)
    write(box.there / "out/a", "x")
    with pytest.raises(SyncError, match=said) as told:
        box.home()
    assert str(told.value).isprintable()
    assert not (box.here / "out").exists()


def test_a_file_that_never_ends_fills_no_disk(rented: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than was listed is not written, whatever rsync makes of it."""
    endless = 'test "$1" = --version && exec /usr/bin/rsync --version; exec head -c 30000000 /dev/zero >"$0.got"'
    write(tmp_path / "bin/rsync", f"#!/bin/sh\n{endless}\n").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    write(rented.there / "out/a", "x")
    with pytest.raises(SyncError, match="rsync ended with status"):
        rented.home()
    assert (tmp_path / "bin/rsync.got").stat().st_size == LEAST


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to("../../secret"),
        lambda path: os.mkfifo(path),
        lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
        lambda path: write(path / "evil", "x"),
    ],
    ids=["a link", "a link above", "a fifo", "a device", "a folder"],
)
def test_what_was_listed_as_a_file_is_something_else(hostile: Any, tmp_path: Path, make: Any) -> None:
    """It does not arrive, not even without a name, and what is at home stays as it was."""
    write(tmp_path / "secret", "of this machine")
    said = ["0" * 64, 1, 10**18]
    box = hostile({"listing": listing(["out/a", 1 << 30, 10**18]), "digests": {"out/a": said}, "written": []})
    make(box.there / "out/a")
    write(box.here / "out/mine", "mine")
    with pytest.raises(SyncError, match=r"at home out/a: (No such file or|Is a) directory"):
        box.home()
    assert tree(box.here) == {"out/mine": b"mine"}
    assert not (box.here / side.INCOMING).exists()


def test_a_folder_that_becomes_a_link_leads_nowhere(hostile: Any, tmp_path: Path) -> None:
    """Exchanged between the listing and rsync: what comes is a file in the folder for what arrives."""
    write(tmp_path / "victim/a", "v")
    sha256 = hashlib.sha256(b"v").hexdigest()
    box = hostile({"listing": listing(["out/a", 1, 10**18]), "digests": {"out/a": [sha256, 1, 10**18]}, "written": []})
    (box.there / "out").rmdir()
    (box.there / "out").symlink_to(tmp_path / "victim")
    box.home()
    assert tree(box.here) == {"out/a": b"v"} and not (box.here / "out").is_symlink()
    assert side.INCOMING not in tree(tmp_path)
