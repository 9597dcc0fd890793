"""visomaster-state: what a person types, and as whom it works. What runs it as root needs root."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from visomaster_host import paths
from visomaster_host.workspace.home import cli

from spec.here import FILES
from tests.unit.hostile import UID, USER, give
from tests.unit.state_zips import PRESET, contents, put, workspace_in
from tests.unit.test_host_facts import host

AS_ROOT = """
import sys
from pathlib import Path
from visomaster_host import paths, users
paths.WORKSPACE, paths.HOST, users.DESKTOP = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
from visomaster_host.workspace.home.cli import main
sys.exit(main(sys.argv[4:]))
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = workspace_in(tmp_path)
    monkeypatch.setattr(paths, "WORKSPACE", folder)
    monkeypatch.setattr(paths, "HOST", tmp_path / "host.json")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    paths.HOST.write_text(host(application="visomaster").as_json())
    return folder


def as_root(workspace: Path, *arguments: str) -> list[str]:
    home = str(FILES / "usr/local/lib/visomaster")
    program = f"import sys; sys.path.insert(0, {home!r})\n{AS_ROOT}"
    return [sys.executable, "-c", program, str(workspace), str(paths.HOST), USER, *arguments]


@pytest.fixture
def theirs(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It is the desktop user's, and root calls the command."""
    monkeypatch.undo()
    monkeypatch.setattr(paths, "HOST", workspace.parent / "host.json")
    put(workspace, PRESET, b"kept")
    give(workspace.parent, workspace)
    workspace.parent.chmod(0o755)
    os.chown(workspace.parent, 0, 0)
    for path in workspace.rglob("*"):
        os.chown(path, UID, UID)
    return workspace


def test_there_and_back(workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(workspace, PRESET, b"kept")
    put(workspace, "out/a.mp4", b"video")
    before, file = contents(workspace), tmp_path / "home.zip"
    assert cli.main(["save", "--out", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: saved\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (workspace / "out/a.mp4").unlink()
    put(workspace, PRESET, b"other")
    assert cli.main(["restore", "--yes", str(file)]) == 0
    said = capsys.readouterr().out
    assert "  new: out/a.mp4\n" in said and f"  replaced: {PRESET}\n" in said
    assert "1 new, 0 the same, 1 replaced" in said and "2 files brought back" in said
    assert {path: what for path, what in contents(workspace).items() if "/.replaced/" not in path} == before
    assert cli.main(["restore", "--yes", str(file)]) == 0
    assert "all of it is there already" in capsys.readouterr().out


def test_it_is_on_the_disk_before_it_has_its_name(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(workspace, PRESET)
    done: list[str] = []
    link = os.link

    def linked(old: str, new: str, **where: int) -> None:
        done.append(f"link {new}")
        link(old, new, **where)

    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("sync"))
    monkeypatch.setattr(os, "link", linked)
    assert cli.main(["save", str(tmp_path / "home.zip")]) == 0
    assert done == ["sync", "link home.zip", "sync"]


def test_a_file_that_is_there_stays(workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(workspace, PRESET)
    (tmp_path / "home.zip").write_text("mine")
    assert cli.main(["save", str(tmp_path / "home.zip")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "home.zip").read_text() == "mine"


def test_what_is_missing_is_named_and_the_rest_is_saved(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(workspace, PRESET)
    (workspace / "state/visomaster/link").symlink_to("/etc/passwd")
    assert cli.main(["save", str(tmp_path / "home.zip")]) == 1
    told = capsys.readouterr()
    assert told.err == "visomaster-state: left out: state/visomaster/link: is a link or no file\n"
    assert told.out.endswith("saved, but for what is named above\n")
    assert PRESET in zipfile.ZipFile(tmp_path / "home.zip").namelist()


def test_without_a_terminal_nothing_is_changed(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(workspace, PRESET, b"kept")
    assert cli.main(["save", str(tmp_path / "home.zip")]) == 0
    put(workspace, PRESET, b"other")
    before = contents(workspace)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert cli.main(["restore", str(tmp_path / "home.zip")]) == 1
    assert "--yes" in capsys.readouterr().err
    assert contents(workspace) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["restore", "--yes", "nowhere.zip"], "nowhere.zip: No such file or directory"),
        (["restore", "--yes", "."], "is no regular file"),
        (["restore", "--yes", "host.json"], "host.json: is no whole zip"),
        (["save", "nowhere/home.zip"], "nowhere: No such file or directory"),
        (["save", "host.json/home.zip"], "host.json: Not a directory"),
    ],
)
def test_what_cannot_be_is_one_line(
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(workspace.parent)
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1 and error.startswith("visomaster-state: ")


@pytest.mark.parametrize("arguments", ["", "take", "save", "restore", "save a b", "restore --no a"])
def test_bad_arguments(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments.split())
    assert ended.value.code == 2 and "usage: visomaster-state" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["save", "--help"], ["restore", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0 and "usage: visomaster-state" in capsys.readouterr().out


def test_root_works_as_the_user(theirs: Path) -> None:
    """Into a folder of root's alone, and out of it; what is brought back is the user's."""
    root = theirs.parent / "root"
    root.mkdir(mode=0o700)
    (theirs / "state/visomaster/own").mkdir(mode=0o700)  # root's: the user cannot read it, so it is left out
    done = subprocess.run(as_root(theirs, "save", str(root / "home.zip")), capture_output=True, text=True)
    assert done.returncode == 1 and "left out: state/visomaster/own: " in done.stderr
    with zipfile.ZipFile(root / "home.zip") as zipped:
        assert PRESET in zipped.namelist()
    (theirs / PRESET).unlink()
    done = subprocess.run(as_root(theirs, "restore", "--yes", str(root / "home.zip")), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status = (theirs / PRESET).stat()
    assert (status.st_uid, status.st_gid, (theirs / PRESET).read_bytes()) == (UID, UID, b"kept")


def test_root_is_led_nowhere_by_the_user(theirs: Path) -> None:
    """A folder of state that leads to root's."""
    root = theirs.parent / "root"
    root.mkdir(mode=0o700)
    (root / "secret.json").write_text("secret")
    (theirs / "state/visomaster/presets/linked").symlink_to(root)
    done = subprocess.run(as_root(theirs, "save", str(root / "home.zip")), capture_output=True, text=True)
    assert done.returncode == 1 and "linked: is a link" in done.stderr
    assert b"secret.json" not in (root / "home.zip").read_bytes()
    (theirs / "state/visomaster/presets").rename(theirs / "moved")
    (theirs / "state/visomaster/presets").symlink_to(root)
    before = contents(root)
    done = subprocess.run(as_root(theirs, "restore", "--yes", str(root / "home.zip")), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(root) == before and (theirs / PRESET).read_bytes() == b"kept"


def test_to_a_pipe(theirs: Path) -> None:
    file = theirs.parent / "piped.zip"
    with file.open("wb") as output:
        subprocess.run(as_root(theirs, "save", "-"), stdout=output, check=True)
    assert PRESET in zipfile.ZipFile(file).namelist()


def test_a_person_is_asked_at_a_terminal(theirs: Path) -> None:
    subprocess.run(as_root(theirs, "save", str(theirs.parent / "home.zip")), check=True, capture_output=True)
    for answer, left in ((b"n\n", b"other"), (b"\4", b"other"), (b"y\n", b"kept")):
        put(theirs, PRESET, b"other")
        os.chown(theirs / PRESET, UID, UID)
        ours, terminal = pty.openpty()
        command = as_root(theirs, "restore", str(theirs.parent / "home.zip"))
        with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal) as process:
            said = _until(ours, b"[y/N]")
            os.write(ours, answer)
            assert process.wait(10) == (0 if left == b"kept" else 1)
        os.close(terminal)
        os.close(ours)
        assert PRESET.encode() in said
        assert (theirs / PRESET).read_bytes() == left


def _until(terminal: int, mark: bytes) -> bytes:
    said, deadline = b"", time.monotonic() + 30
    while mark not in said:
        assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], said
        said += os.read(terminal, 4096)
    return said


def test_ended_it_leaves_nothing_half_done(theirs: Path) -> None:
    """Ctrl-C while it waits for a reader that does not read."""
    put(theirs, "state/visomaster/large", os.urandom(1 << 20))
    os.chown(theirs / "state/visomaster/large", UID, UID)
    with subprocess.Popen(
        as_root(theirs, "save", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False
    ) as process:
        assert process.stdout is not None and process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 128 + signal.SIGINT
        assert process.stderr is not None and b"Traceback" not in process.stderr.read()
