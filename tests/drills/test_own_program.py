"""A program of a person's own, in a folder: what they edit there is what runs, after each deploy."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from visomaster_host import paths, users

from spec.here import ROOT
from tests.drills.box import Box, unchanged
from tests.drills.conftest import MakeBox

RESTARTS = "this run restarts visomaster_app: what is open there and not saved is lost"
LAYERS = "application,services"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's program, with a large file, and a link to a folder elsewhere."""
    top = tmp_path_factory.mktemp("own") / "program"
    shutil.copytree(ROOT / "sandbox/application", top)
    (top / "extra.py").write_text("")
    (top / "large.bin").write_bytes(b"0123456789abcdef" * 6_250_000)
    (top / "models").symlink_to("/usr")
    return top


@pytest.fixture(scope="module")
def box(make_box: MakeBox, folder: Path) -> Iterator[Box]:
    """A desktop that runs what is in the folder."""
    made = make_box()
    made.wait_ready()
    done = made.apply(LAYERS, f"source={folder}")
    assert done.returncode == 0, done.stderr
    made.wait_ready()
    yield made


def process(box: Box) -> int:
    """The number of the program's process."""
    return int(box.output("supervisorctl", "pid", "visomaster_app"))


def state(box: Box) -> str:
    """Which state of the program the host says it runs."""
    return str(json.loads(box.output("cat", str(paths.HOST)))["commit"])


def test_what_is_not_edited_is_left_alone(box: Box, folder: Path) -> None:
    """Also 100 MB of it, and whatever its files' times are; the program goes on."""
    before = process(box)
    (folder / "main.py").touch()
    begun = time.monotonic()
    assert unchanged(box.apply(LAYERS, f"source={folder}"))
    print(f"\n100 MB that did not change: {time.monotonic() - begun:.0f} s")
    assert process(box) == before


def test_a_second_edit_runs(box: Box, folder: Path) -> None:
    """It is said before; what went from the folder goes, what the program wrote stays; then there is nothing to do."""
    before, was = process(box), state(box)
    screen = box.output("supervisorctl", "pid", "xtigervnc")
    main = folder / "main.py"
    main.write_text(
        main.read_text(encoding="utf-8").replace("import sys\n", "import sys\n\nopen('edited', 'w').close()\n", 1)
    )
    (folder / "extra.py").unlink()
    box.output("setpriv", "--reuid", users.DESKTOP, "sh", "-c", f"echo mine >{paths.PROGRAM}/own.json")
    done = box.apply(LAYERS, f"source={folder}")
    assert done.returncode == 0, done.stderr
    assert 0 < done.stderr.index(RESTARTS) < done.stderr.index("Beginning operation run")
    box.wait_ready()
    assert process(box) != before and state(box) != was
    assert box.output("supervisorctl", "pid", "xtigervnc") == screen, "the desktop stays"
    files = box.output("ls", str(paths.PROGRAM)).split()
    assert {"edited", "own.json"} < set(files) and "extra.py" not in files and "models" not in files
    assert unchanged(box.apply(LAYERS, f"source={folder}"))
