"""On a box, files come and go as the program's user: what it may not read or write, nobody does for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from visomaster_host import users

from tests.sync.rig import Box, box, write
from vast.sync import SyncError


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Box]:
    """A box that has the program's user, to whom the work belongs."""
    assert os.geteuid() == 0, "needs root, to have a user that this machine has not"
    shutil.copytree("/etc", tmp_path / "box/etc", symlinks=True, ignore=shutil.ignore_patterns("ssl", "alternatives"))
    line = f"{users.DESKTOP}:x:{users.DESKTOP_ID}:{users.DESKTOP_ID}"
    for name, rest in (("passwd", "::/nonexistent:/bin/sh"), ("group", "")):
        with (tmp_path / "box/etc" / name).open("a") as file:
            file.write(f"{line}{rest or ':'}\n")
    for folder in (tmp_path, *tmp_path.parents[:2]):  # pytest's are its own
        folder.chmod(0o755)
    with box(tmp_path, {"/etc": "etc"}) as found:
        for folder in (found.there, *found.there.iterdir()):
            os.chown(folder, users.DESKTOP_ID, users.DESKTOP_ID)
        yield found


def test_what_is_brought_is_the_programs(deployed: Box) -> None:
    """Files, and the folders that are made for them."""
    write(deployed.here / "in/new/a.mp4", "a")
    deployed.bring()
    owners = {path.stat().st_uid for path in (deployed.there / "in/new", deployed.there / "in/new/a.mp4")}
    assert owners == {users.DESKTOP_ID}


def test_what_it_cannot_read_keeps_the_box(deployed: Box) -> None:
    """Root's own file, and one that a link of the program's leads to."""
    write(deployed.there / "notes.txt", "root's").chmod(0o600)
    (deployed.there / "out/shadow").symlink_to("/etc/shadow")
    with pytest.raises(SyncError, match=r"notes\.txt: Permission denied on the box"):
        deployed.home()
    assert not (deployed.here / "out").exists()
