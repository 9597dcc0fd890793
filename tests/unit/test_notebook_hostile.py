"""The guide's cells run as root over folders of others: whatever lies there, nothing elsewhere is deleted."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.hostile import SYSTEM_PYTHON, exchanging, give
from tests.unit.test_notebook import CODE

PLACES = {
    "/app/VisoMaster": "VisoMaster",
    "/app/models": "models",
    "/run/visomaster/models": "run-models",
    "/var/log/portal": "portal-logs",
    "/var/log/supervisor": "supervisor-logs",
    "/var/cache/apt": "apt",
    "/etc/visomaster": "etc",
    '"/workspace"': '"{}/workspace"',
    '"/home"': '"{}/home"',
    '"/root': '"{}/root',
}


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A host's folders; those of the program's user are somebody else's."""
    for name in ("run", "etc", "portal-logs", "supervisor-logs", "victim"):
        (tmp_path / name).mkdir()
    theirs = [tmp_path / name for name in ("VisoMaster", "models", "workspace", "home")]
    give(*theirs)
    (tmp_path / "etc/models.json").write_text('{"files": []}')
    return tmp_path


def run(box: Path, *cells: str, rounds: int = 1) -> str:
    """What cells print to root on the host `box`, the last one run some times over."""
    text = "\n".join(CODE[cell] for cell in ("start", *cells[:-1])) + "\nfor _ in range(int(sys.argv[1])):\n"
    text += "".join(f"    {line}\n" for line in CODE[cells[-1]].splitlines())
    for place, name in PLACES.items():
        text = text.replace(place, name.format(box) if "{}" in name else str(box / name))
    command = [SYSTEM_PYTHON, "-c", f"import sys\n{text}", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_elsewhere_is_not_deleted(box: Path) -> None:
    """A folder of the store is a link by turns; files of the same names lie where it leads."""
    inner = box / "models/inner"
    inner.mkdir()
    for number in range(200):
        for folder in (inner, box / "victim"):
            (folder / f"{number}.part").write_text("x")
    (box / "models/.lock").touch()
    os.chown(inner, 1, 1)
    with exchanging(inner, box / "models/spare", box / "victim"):
        run(box, "repair-disk", rounds=40)
    assert len(list((box / "victim").iterdir())) == 200
    left = sum(len(names) for _, _, names in os.walk(box / "models"))  # follows no link
    assert left < 200, "it deletes nothing at all: this test shows nothing"


def test_leftovers_go_and_other_files_stay(box: Path) -> None:
    (box / "models/lp").mkdir()
    for name in ("models/lp/a.onnx.part", "models/lp/a.onnx.part.map", "models/lp/kept.onnx.part", "models/lp/a.onnx"):
        (box / name).write_text("x" * 9)
    for name in ("portal-logs/x.log.1", "portal-logs/x.log", "models/.lock"):
        (box / name).write_text("")
    (box / "etc/models.json").write_text(json.dumps({"files": [{"path": "model_assets/lp/kept.onnx"}]}))
    (box / "workspace/big\x1b]0;x\a").write_bytes(os.urandom(11_000_000))
    (box / "workspace/link").symlink_to(box / "victim")
    said = run(box, "repair-disk")
    left = sorted(
        str(path.relative_to(box)) for place in ("models", "portal-logs") for path in (box / place).rglob("*")
    )
    assert left == ["models/.lock", "models/lp", "models/lp/a.onnx", "models/lp/kept.onnx.part", "portal-logs/x.log"]
    assert f"{box}/workspace/big\\x1b]0;x\\x07" in said and "\x1b" not in said


def test_a_store_that_is_a_link_is_left_alone(box: Path) -> None:
    (box / "victim/x.part").write_text("x")
    (box / "victim/.lock").touch()
    (box / "models").rmdir()
    (box / "models").symlink_to(box / "victim")
    run(box, "repair-disk")
    assert (box / "victim/x.part").exists()


@pytest.mark.parametrize("name", ["models/.lock", "models/inner", "workspace/x", "VisoMaster/main.py"])
def test_a_pipe_holds_nobody_up(box: Path, name: str) -> None:
    os.mkfifo(box / name)
    for cell in ("check-set-up", "check-disk", "logs", "repair-disk"):
        run(box, cell)


def test_folders_within_folders_end(box: Path) -> None:
    """Deeper than descriptors, or Python's stack, would reach."""
    here = os.open(box / "workspace", os.O_RDONLY)
    for _ in range(700):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    try:
        assert "No large files of yours." in run(box, "repair-disk")
    finally:  # pytest could not
        subprocess.run(["rm", "-rf", str(box / "workspace")], check=True)


def test_no_module_beside_it_is_found(box: Path) -> None:
    """By the commands that a cell runs: what a kernel itself finds is decided by the folder it starts in."""
    (box / "VisoMaster/json.py").write_text("raise SystemExit('planted')")
    probe = (
        CODE["start"]
        + f"\nimport os; os.chdir({str(box / 'VisoMaster')!r})\nprint(run({SYSTEM_PYTHON!r}, '-c', 'import json'))"
    )
    done = subprocess.run([SYSTEM_PYTHON, "-I", "-c", probe], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "(0, '')"


def test_what_of_the_workspace_is_missing_is_named(box: Path) -> None:
    """A link is no folder: what it leads to may be anything."""
    (box / "workspace/in").mkdir()
    (box / "workspace/state").symlink_to(box / "victim")
    said = run(box, "check-folders")
    faults = [line.split()[1] for line in said.splitlines() if "FAULT" in line]
    assert faults == [f"{box}/workspace/{name}" for name in ("out", "state")]
    assert said.count("run cell 'Repair: folders'") == 2
    (box / "workspace/state").unlink()
    for name in ("out", "state"):
        (box / "workspace" / name).mkdir()
    said = run(box, "check-folders")
    assert "FAULT" not in said and "ok     the program can write" in said
