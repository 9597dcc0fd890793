"""What the program keeps lives in /workspace/state: nothing is lost on the way there, wherever the way ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.kept_box import OLD, Box, alone, box

__all__ = ["alone", "box"]


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


def test_a_workspace_that_cannot_be_written_is_told_once(alone: Box, capsys: pytest.CaptureFixture[str]) -> None:
    alone.write("program/presets/a.json", "a")
    (alone.workspace / "state").write_text("somebody's")
    alone.start()
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith(f"going on: the program keeps what it keeps in {alone.program}")
    assert (alone.program / "presets/a.json").read_text() == "a"
