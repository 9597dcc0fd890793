"""Around the move of what the program keeps: cards, the last workspace, dialogs, the process, a profile's words."""

from __future__ import annotations

import errno
import os
import time

import pytest
from visomaster_host import identity
from visomaster_host.kept import at_start, dialogs, engines, workspaces
from visomaster_host.kept_entry import Kept, require_apart
from visomaster_host.problems import Problem

from tests.unit.kept_box import OLD, Box, alone, box
from tests.unit.test_host_facts import host

__all__ = ["alone", "box"]


# -- engines


def card(box: Box, name: str, address: str = "0000:01:00.0") -> None:
    box.write(f"cards/{address}/information", f"Model: \t\t {name}\nIRQ:   \t 42\n")


def test_engines_are_of_one_card_and_one_version(alone: Box) -> None:
    """Another card, or another TensorRT, finds an empty folder; back on the first, they are there again."""
    library = "env/lib/python3.11/site-packages"
    (alone.root / library / "tensorrt_cu12_libs-10.6.0.dist-info").mkdir(parents=True)
    card(alone, "NVIDIA GeForce RTX 4090")
    alone.start()
    first = alone.state / "tensorrt-engines/NVIDIA GeForce RTX 4090-10.6.0"
    assert (alone.program / "tensorrt-engines").readlink() == first
    (alone.program / "tensorrt-engines/a.engine").write_text("for a 4090")
    card(alone, "Tesla T4/../x\x1b")
    alone.start()
    assert (alone.program / "tensorrt-engines").readlink().name == "Tesla T4_.._x_-10.6.0"
    assert list((alone.program / "tensorrt-engines").iterdir()) == []
    card(alone, "NVIDIA GeForce RTX 4090")
    (alone.root / library / "tensorrt_cu12-10.13.3.9.dist-info").mkdir()
    assert engines.machine() == "NVIDIA GeForce RTX 4090-10.13.3.9"
    (alone.root / library / "tensorrt_cu12-10.13.3.9.dist-info").rmdir()
    alone.start()
    assert (alone.program / "tensorrt-engines/a.engine").read_text() == "for a 4090"


def test_the_card_is_asked_for_where_the_driver_shows_no_files(alone: Box) -> None:
    assert engines.machine() == engines.NO_GPU
    program = alone.write("bin/nvidia-smi", "#!/bin/sh\necho 'NVIDIA L4'\necho 'NVIDIA L4'\necho 'NVIDIA A10'\n")
    program.chmod(0o755)
    assert engines.machine() == "NVIDIA A10 + NVIDIA L4"
    alone.write("bin/nvidia-smi", "#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    assert engines.machine() == engines.NO_GPU
    card(alone, "Of the driver's file")
    assert engines.machine() == "Of the driver_s file"


# -- the last workspace


def test_the_last_workspace_is_put_aside_and_offered_when_asked(box: Box) -> None:
    """And outlives the container."""
    box.write("program/last_workspace.json", "open last")
    box.start()
    assert not (box.program / "last_workspace.json").exists()
    box.new_container()
    box.start()
    found = workspaces.state_of(box.host) / workspaces.PREVIOUS
    assert found.read_text() == "open last"
    box.monkeypatch.setattr(workspaces, "read_host", lambda: box.host)
    assert workspaces.previous_workspace() == (found, OLD * 1000)
    workspaces.open_previous()
    box.start()
    assert (box.program / "last_workspace.json").read_text() == "open last"
    box.start()
    assert not (box.program / "last_workspace.json").exists(), "once"
    assert found.read_text() == "open last"


def test_one_of_a_program_of_before_is_found(box: Box) -> None:
    """An older image put it aside in the program's own folder."""
    box.monkeypatch.setattr(workspaces, "read_host", lambda: box.host)
    assert workspaces.previous_workspace() is None
    with pytest.raises(Problem, match=r"there is no last_workspace\.previous\.json"):
        workspaces.open_previous()
    box.write("program/last_workspace.previous.json", "of before")
    box.start()
    assert (box.state / workspaces.PREVIOUS).read_text() == "of before"


def test_a_program_that_keeps_nothing_has_its_workspace_put_aside_where_it_lies(alone: Box) -> None:
    alone.write("program/last_workspace.json", "mine")
    at_start.prepare(host(state=()))
    assert (alone.program / workspaces.PREVIOUS).read_text() == "mine"
    assert not (alone.workspace / "state").exists()


def test_offering_the_previous_one_ends_the_program_and_nobody_else(alone: Box) -> None:
    import subprocess
    import sys

    alone.monkeypatch.setattr(workspaces, "read_host", lambda: alone.host)
    alone.write("workspace/state/sandbox/last_workspace.previous.json", "{}")
    main = alone.write("main.py", "import time; time.sleep(60)")
    for command, ended in (([sys.executable, str(main)], True), (["/bin/sleep", "60"], False)):
        with subprocess.Popen(command) as process:
            alone.write("pid", f"{process.pid}\n")
            time.sleep(0)
            workspaces.open_previous()
            if ended:
                assert process.wait(10) == -15
            else:
                assert process.poll() is None
                process.kill()
    alone.write("pid", "nonsense")
    workspaces.open_previous()


# -- dialogs


def test_dialogs_have_the_workspace_at_their_side(alone: Box) -> None:
    dialogs.lead_to_workspace(alone.home)
    conf = alone.home / ".config/QtProject.conf"
    shortcuts = f"file://{alone.workspace}/in, file://{alone.workspace}/out, file://{alone.home}, file:"
    assert conf.read_text() == f"[FileDialog]\nshortcuts={shortcuts}\nsidebarWidth=160\n"
    inode = conf.stat().st_ino
    dialogs.lead_to_workspace(alone.home)
    assert conf.stat().st_ino == inode


@pytest.mark.parametrize(
    ("text", "kept", "added"),
    [
        ("[FileDialog]\nshortcuts=file:\n", "shortcuts=file:\n", []),
        ("[FileDialog]\r\nshortcuts=file:\r\n", "shortcuts=file:\r\n", []),
        ("[Other]\nshortcuts=x\n", "[Other]\nshortcuts=x\n[FileDialog]\n", ["shortcuts", "sidebarWidth"]),
        ("[FileDialog]\nsidebarWidth=9\n[Other]\nshortcuts=no\n", "sidebarWidth=9\n[Other]\n", ["shortcuts"]),
        ("no newline", "no newline\n[FileDialog]\n", ["shortcuts", "sidebarWidth"]),
    ],
)
def test_what_a_person_chose_stays(alone: Box, text: str, kept: str, added: list[str]) -> None:
    found = dialogs.with_places(text, alone.home)
    assert kept in found
    assert [line for line in text.splitlines() if line not in found.splitlines()] == []
    ours = [line.partition("=")[0] for line in found.splitlines() if line not in text.splitlines() and "=" in line]
    assert ours == added


# -- the process that does it


def test_the_work_is_done_in_another_process_and_bounded(alone: Box, capfd: pytest.CaptureFixture[str]) -> None:
    alone.monkeypatch.setattr(identity, "give_up_root", lambda user: None)
    alone.write("here", "")
    assert identity.done_as("x", "y", lambda: alone.write("pid", str(os.getpid())) and None, 10)
    assert (alone.root / "pid").read_text() not in ("", str(os.getpid()))
    begun = time.monotonic()
    assert not identity.done_as("x", "y", lambda: time.sleep(60), 0.1)
    assert time.monotonic() - begun < 10

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/x")

    assert identity.done_as("x", "program", fail, 10)
    assert capfd.readouterr().err.startswith("program: /x: Input/output error")


# -- what a profile may name


@pytest.mark.parametrize(
    "path",
    ["", "/x", "..", "a/../b", "./a", "a//b", ".git/x", "a/.b", "x\ny", " a", "a ", "x" * 201, "/".join("abcdefghi")],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected a path below the program's folder"):
        Kept(path=path, folder=True)


@pytest.mark.parametrize(("one", "other"), [("a", "a"), ("a", "a/b"), ("a/b", "a")])
def test_paths_within_one_another_are_refused(one: str, other: str) -> None:
    with pytest.raises(ValueError, match="each path once and none within another"):
        require_apart([Kept(path=one, folder=True), Kept(path=other, folder=True)])
    require_apart([Kept(path="a", folder=True), Kept(path="ab", folder=True)])


def test_a_deep_tree_is_left(alone: Box, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody's stack is used up by what a person has unpacked there."""
    alone.write("program/presets/" + "d/" * 150 + "x", "deep")
    alone.start()
    assert "lies within more than" in capsys.readouterr().out
    assert (alone.program / "presets").is_dir()


def test_two_containers_on_one_volume_take_along_one_after_the_other(alone: Box) -> None:
    with at_start._alone(str(alone.root)):
        alone.monkeypatch.setattr(at_start, "_LOCK_WITHIN", 0.0)
        with pytest.raises(TimeoutError), at_start._alone(str(alone.root)):
            raise AssertionError
