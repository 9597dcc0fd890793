"""What the program keeps lives in /workspace/state: nothing is lost on the way there, wherever the way ends."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from visomaster_host import identity, paths
from visomaster_host.host import Host
from visomaster_host.kept import at_start, dialogs, engines, workspaces
from visomaster_host.kept_entry import Kept, require_apart
from visomaster_host.problems import Problem

from tests.unit.test_host_facts import host

STATE = (
    Kept(path="presets", folder=True),
    Kept(path="last_workspace.json", folder=False),
    Kept(path="settings.json", folder=False, seed="first"),
    Kept(path="tensorrt-engines", folder=True, by="gpu"),
)
OLD = 1_500_000_000


class Box:
    """A host's folders below another root; the workspace may be on another file system, as far as renames tell."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        self.program, self.workspace, self.home = root / "program", root / "workspace", root / "home"
        for folder in (self.program, self.workspace, self.home):
            folder.mkdir()
        places = {"PROGRAM": self.program, "WORKSPACE": self.workspace, "HOME": self.home, "ENVIRONMENT": root / "env"}
        places |= {"INPUT": self.workspace / "in", "OUTPUT": self.workspace / "out", "KEPT": self.workspace / "state"}
        for name, path in {**places, "NVIDIA_CARDS": root / "cards", "APPLICATION_PID": root / "pid"}.items():
            monkeypatch.setattr(paths, name, path)
        monkeypatch.setattr(paths, "SYSTEM_PATH", str(root / "bin"))
        self.state = self.workspace / "state/sandbox"

    @property
    def host(self) -> Host:
        return host(state=STATE)

    def write(self, path: str, content: str, *, when: int = OLD) -> Path:
        """A file, by its path below the root."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        os.utime(place, (when, when))
        return place

    def start(self) -> None:
        """The program is started."""
        at_start.prepare(self.host)

    def new_container(self) -> None:
        """Another container with the same volume."""
        shutil.move(self.program, self.root / f"gone{time.monotonic_ns()}")
        self.program.mkdir()

    def apart(self) -> None:
        """Have the workspace be another file system, and the program's folders an image's, which overlays do not
        rename."""
        for name in ("rename", "link"):
            real = getattr(os, name)

            def refuse(source: Any, place: Any, *, _real: Callable[..., None] = real, **how: Any) -> None:
                sides = [os.fspath(path).startswith(str(self.workspace)) for path in (source, place)]
                if sides[0] != sides[1] or (not sides[0] and stat.S_ISDIR(os.lstat(source).st_mode)):
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
                _real(source, place, **how)

            self.monkeypatch.setattr(os, name, refuse)

    def contents(self, *, without: str = "linked") -> Counter[str]:
        """The sha256 of every file, wherever it is."""
        files = [path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink()]
        return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.name != without)

    def texts(self, folder: Path) -> dict[str, str]:
        """Every visible file below `folder` with its content."""
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return {path.relative_to(folder).as_posix(): path.read_text() for path in files}

    def require_linked(self) -> None:
        """Every link leads where it should."""
        for entry in STATE:
            home = self.state / entry.path / ("no-gpu" if entry.by else "")
            assert (self.program / entry.path).readlink() == home
            assert home.is_dir() is entry.folder


@pytest.fixture(params=["together", "apart"])
def box(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A box whose program and workspace are on one file system, or on two."""
    made = Box(tmp_path, monkeypatch)
    if request.param == "apart":
        made.apart()
    return made


def test_a_new_box_has_links_to_folders_and_what_a_file_begins_with(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    box.start()
    box.require_linked()
    assert box.texts(box.state) == {"settings.json": "first"}
    (box.program / "last_workspace.json").write_text("saved")
    assert (box.state / "last_workspace.json").read_text() == "saved", "a program writes through a link to nothing"
    assert capsys.readouterr().out == ""


def test_what_was_there_is_taken_along_once(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.write("program/presets/mine.json", "mine")
    box.write("program/presets/deep/er/one.json", "one")
    box.write("program/settings.json", "chosen")
    box.write("program/tensorrt-engines/a.engine", "engine")
    (box.program / "presets/empty").mkdir()
    (box.program / "presets/link").symlink_to("mine.json")
    box.start()
    box.require_linked()
    assert box.texts(box.state) == {
        "presets/mine.json": "mine",
        "presets/link": "mine",
        "presets/deep/er/one.json": "one",
        "settings.json": "chosen",
        "tensorrt-engines/no-gpu/a.engine": "engine",
    }
    assert (box.state / "presets/empty").is_dir()
    assert (box.state / "presets/mine.json").stat().st_mtime == OLD
    said = capsys.readouterr().out.splitlines()
    assert f"visomaster-service: {box.program}/presets lives in {box.state}/presets from now on" in said
    box.start()
    assert capsys.readouterr().out == "", "once"


def test_a_new_container_finds_it_and_brings_what_is_new_in_its_image(box: Box) -> None:
    """The person's own is never overwritten: what the image has by the same name lies beside it."""
    box.start()
    box.write("program/presets/mine.json", "mine")
    box.write("program/presets/shipped.json", "changed by me")
    box.write("program/settings.json", "chosen")
    for _ in range(3):
        box.new_container()
        box.write("program/presets/shipped.json", "as shipped", when=OLD + 9)
        box.write("program/presets/new.json", "new")
        box.write("program/settings.json", "as shipped", when=OLD + 9)
        box.start()
        box.require_linked()
        assert box.texts(box.state) == {
            "presets/mine.json": "mine",
            "presets/shipped.json": "changed by me",
            "presets/shipped (from the image).json": "as shipped",
            "presets/new.json": "new",
            "settings.json": "chosen",
            "settings (from the image).json": "as shipped",
        }
    box.new_container()
    box.write("program/settings.json", "shipped later", when=OLD + 9)
    box.start()
    assert box.texts(box.state)["settings (from the image) (2).json"] == "shipped later"


def test_a_program_that_replaces_the_link_has_written_the_later_one(box: Box) -> None:
    """It writes a file and renames it over the link: the next start takes that along, and keeps the one before."""
    box.write("program/settings.json", "before")
    box.start()
    box.write("program/new", "after", when=OLD + 5)
    (box.program / "new").rename(box.program / "settings.json")
    box.start()
    box.require_linked()
    found = box.texts(box.state)
    assert found.pop("settings.json") == "after"
    assert list(found.values()) == ["before"] and next(iter(found)).startswith("settings (20")
    box.write("elsewhere", "from long ago", when=OLD - 5).rename(box.program / "settings.json")
    box.start()
    assert box.texts(box.state)["settings.json"] == "after"
    assert box.texts(box.state)["settings (older).json"] == "from long ago"


@pytest.mark.parametrize("odd", ["FIFO", "link", "file", "inside"])
def test_what_cannot_be_kept_stays_and_is_told(box: Box, odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    presets = box.program / "presets"
    if odd == "FIFO":
        os.mkfifo(presets)
    elif odd == "link":
        presets.symlink_to("/somewhere/else")
    elif odd == "file":
        presets.write_text("no folder")
    else:
        presets.mkdir()
        os.mkfifo(presets / "fifo")
    before = presets.lstat()
    box.start()
    [line] = [line for line in capsys.readouterr().out.splitlines() if "presets" in line]
    assert line.endswith("it stays as it is") and str(presets) in line
    assert presets.lstat().st_ino == before.st_ino
    assert (box.program / "settings.json").is_symlink(), "the others are kept"


def test_a_link_to_another_disk_that_a_person_has_laid_is_followed(box: Box) -> None:
    (box.root / "big").mkdir()
    box.state.mkdir(parents=True)
    (box.state / "presets").symlink_to(box.root / "big")
    box.write("program/presets/a.json", "a")
    box.start()
    assert (box.root / "big/a.json").read_text() == "a"
    assert (box.program / "presets").readlink() == box.state / "presets"


class Killed(BaseException):
    """The process ends here."""


STEPS = ("fsync", "link", "mkdir", "open", "rename", "rmdir", "sendfile", "symlink", "unlink", "utime")


class Steps:
    """Every call that changes a file, counted; the one numbered `last` is not reached."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.last, self.every, self.error = 0, 0, True, BaseException()
        for name in STEPS:
            monkeypatch.setattr(os, name, self._counting(name, getattr(os, name)))

    def _counting(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **how: Any) -> Any:
            # Nothing but a broken disk refuses to give a link that is there its name.
            self.count += not (name == "rename" and os.fspath(words[0]).endswith("new") and not self.every)
            if self.count == self.last:
                raise self.error
            return real(*words, **how)

        return call

    def until(self, last: int, error: BaseException) -> None:
        """End with `error` at the step numbered `last`, 0 for none."""
        self.count, self.last, self.error = 0, last, error
        self.every = isinstance(error, Killed)


def lived_in(root: Path, monkeypatch: pytest.MonkeyPatch, *, apart: bool) -> Box:
    """A box whose program has content of every kind, some of it with the same names as what is kept already."""
    root.mkdir()
    box = Box(root, monkeypatch)
    for path in ("program/presets/both.json", "program/presets/deep/mine.json", "program/settings.json"):
        box.write(path, f"of the program: {path}")
    box.write("program/tensorrt-engines/x.engine", "engine")
    box.write("program/last_workspace.json", "open last")
    for path in ("presets/both.json", "presets/kept.json", "settings.json"):
        box.write(f"workspace/state/sandbox/{path}", f"kept: {path}")
    if apart:
        box.apart()
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: None
    )  # a step like others, but for what it takes on a busy disk
    return box


@pytest.mark.parametrize("apart", [False, True])
def test_killed_at_any_step_of_the_first_move_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    """The next start completes it: every content is there still, and all is as if nothing had been in the way."""

    def run(number: int) -> tuple[int, dict[str, str]]:
        with monkeypatch.context() as patched:
            box = lived_in(tmp_path / f"box{number}", patched, apart=apart)
            before = box.contents()
            steps = Steps(patched)
            steps.until(number, Killed())
            try:
                box.start()
            except Killed:
                assert not before - box.contents(), f"lost at step {number}"
            taken = steps.count
            steps.until(0, Killed())
            box.start()
            assert not before - box.contents(), f"lost after step {number}"
            box.require_linked()
            assert not list(box.state.glob(".taking*"))
            return taken, box.texts(box.state)

    whole, expected = run(0)
    assert whole > 30
    assert expected["presets/both.json"] == "kept: presets/both.json"
    assert expected["last_workspace.previous.json"] == "open last"
    for number in range(1, whole + 1):
        assert run(number)[1] == expected, f"at step {number}"


@pytest.mark.parametrize("apart", [False, True])
def test_refused_at_any_step_the_program_finds_all_and_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], apart: bool
) -> None:
    """A full disk: what the program sees is whole, in its old place or its new one, and the next start completes it."""
    whole = 1
    number = 0
    while number < whole:
        number += 1
        with monkeypatch.context() as patched:
            box = lived_in(tmp_path / f"box{number}", patched, apart=apart)
            before = box.contents()
            steps = Steps(patched)
            steps.until(number, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x"))
            capsys.readouterr()
            box.start()
            whole = max(whole, steps.count)
            said = capsys.readouterr().out
            assert not before - box.contents(), f"lost at step {number}"
            for path in ("presets/both.json", "presets/deep/mine.json", "settings.json"):
                assert (box.program / path).is_file(), f"{path} is not seen after step {number}: {said}"
            steps.until(0, Killed())
            box.start()
            assert not before - box.contents(), f"lost after step {number}"
            box.require_linked()


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A box on one file system."""
    return Box(tmp_path, monkeypatch)


def test_a_workspace_that_cannot_be_written_is_told_once(alone: Box, capsys: pytest.CaptureFixture[str]) -> None:
    alone.write("program/presets/a.json", "a")
    (alone.workspace / "state").write_text("somebody's")
    alone.start()
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith(f"going on: the program keeps what it keeps in {alone.program}")
    assert (alone.program / "presets/a.json").read_text() == "a"


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
