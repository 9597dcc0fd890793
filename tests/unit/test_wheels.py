"""Folders of wheels: when one is made anew, what is kept of it, and what it is known by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from visomaster_host import paths
from visomaster_host.choices import Access, Screen

from operations import wheels as operation
from operations.facts.wheels import WheelsMadeFrom
from operations.remote import wheels, wheels_state
from spec import requirements
from spec.distribution import Release
from spec.layer import Layer
from spec.settings import read_settings
from spec.slices import slice_of
from spec.wheels import SELKIES, Wheels

SET = "thing==1.0 --hash=sha256:" + "0" * 64 + "\n"


def request(dest: Path, **changes: object) -> dict[str, Any]:
    """What the operation sends; there is a library to borrow."""
    library = dest.with_name("libpulse.so.0")
    library.touch()
    made_from = operation.made_from(SET, SELKIES)
    return {
        **{"dest": str(dest), "text": SET, "name": "set.txt", "index": "default", "uv": "", "made_from": made_from},
        **{"without": ["libs/*", "*/tests"], "borrowed": {"libs/libpulse-*.so.*": str(library)}, **changes},
    }


def unpack(asked: object, new: Path, work: Path) -> tuple[int, list[str]]:
    """What uv would do."""
    for name in ("thing/__init__.py", "thing/tests/big.bin", "libs/libpulse-1234.so.0.23", "libs/libX11-1234.so.6"):
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).write_text("SAYS = 'x'\n")
    return 0, []


@pytest.fixture
def dest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folder is to be, and an installer that needs no index."""
    monkeypatch.setattr(wheels, "install", unpack)
    return tmp_path / "stream"


def files(folder: Path) -> set[str]:
    """All files and links below `folder`."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def test_a_folder_is_made_with_what_is_kept(dest: Path) -> None:
    os.umask(0o077)  # of whoever runs it
    assert wheels.run(request(dest)) == 0
    compiled = f"thing/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    assert files(dest) == {"thing/__init__.py", compiled, "libs/libpulse-1234.so.0.23", "set.txt", ".complete"}
    assert (dest / "libs/libpulse-1234.so.0.23").readlink() == dest.with_name("libpulse.so.0")
    assert dest.stat().st_mode & 0o777 == 0o755
    assert (dest / "thing/__init__.py").stat().st_mode & 0o777 == 0o644
    assert str(dest / "thing/__init__.py").encode() in (dest / compiled).read_bytes(), "tracebacks name it"


def fact(folder: Path) -> str:
    """What the fact finds, by its own command line."""
    command = WheelsMadeFrom().command(folder=str(folder)).get_masked_value()
    command = command.replace(str(paths.SYSTEM_PYTHON), sys.executable, 1)
    output = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    return WheelsMadeFrom().process(output.splitlines())


def rewrite(folder: Path) -> None:
    record = json.loads((folder / wheels_state.RECORD).read_text())
    (folder / wheels_state.RECORD).write_text(json.dumps({**record, "python": "3.9"}))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no folder": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "a file gone": lambda folder: (folder / "thing/__init__.py").unlink(),
    "a file cut off": lambda folder: (folder / "thing/__init__.py").write_text(""),
    "one more": lambda folder: (folder / "thing/more.py").touch(),
    "another link": lambda folder: (
        (folder / "libs/libpulse-1234.so.0.23").unlink(),
        (folder / "libs/libpulse-1234.so.0.23").symlink_to("/dev/null"),
    ),
    "closed to others": lambda folder: folder.chmod(0o700),
    "no record": lambda folder: (folder / wheels_state.RECORD).unlink(),
    "half a record": lambda folder: (folder / wheels_state.RECORD).write_text('{"made_'),
    "a record of something else": lambda folder: (folder / wheels_state.RECORD).write_text("[]"),
    "another Python's": rewrite,
}


def test_it_is_known_by_what_it_was_made_from(dest: Path) -> None:
    wheels.run(request(dest))
    assert fact(dest) == operation.made_from(SET, SELKIES)


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_as_it_was_is_made_anew(dest: Path, damage: str) -> None:
    wheels.run(request(dest))
    DAMAGE[damage](dest)
    assert wheels_state.state(dest) == {"made_from": ""}
    assert wheels.run(request(dest)) == 0
    assert wheels_state.state(dest)["made_from"] != ""


def test_what_a_killed_run_left_is_no_hindrance(dest: Path) -> None:
    for name in ("stream.new", "stream.old"):
        (dest.with_name(name) / "thing").mkdir(parents=True)
        (dest.with_name(name) / "thing/old.py").touch()
    assert wheels.run(request(dest)) == 0
    assert "thing/old.py" not in files(dest)
    assert sorted(path.name for path in dest.parent.iterdir()) == ["libpulse.so.0", "stream"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"borrowed": {"libs/libpulse-*.so.*": "/nonexistent.so"}}, "expected one libs/libpulse-*.so.*, and /nonex"),
        ({"borrowed": {"libs/libgone-*": "/dev/null"}}, "expected one libs/libgone-*, and /dev/null to stand in"),
    ],
    ids=["nothing to stand in", "nothing to stand in for"],
)
def test_a_release_of_another_make_is_refused(
    dest: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], expected: str
) -> None:
    assert wheels.run(request(dest)) == 0
    before = files(dest)
    assert wheels.run(request(dest, **change)) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"packages: {expected}")
    assert said.count("\n") == 1
    assert files(dest) == before
    assert not dest.with_name("stream.new").exists()


def test_all_that_decides_what_is_in_it_is_in_its_digest() -> None:
    one = operation.made_from(SET, SELKIES)
    fewer = Wheels(file=SELKIES.file, without=SELKIES.without[1:], borrowed=SELKIES.borrowed)
    own = Wheels(file=SELKIES.file, without=SELKIES.without)
    others = {operation.made_from(SET + "\n", SELKIES), *(operation.made_from(SET, each) for each in (fewer, own))}
    assert len(others | {one}) == 4
    assert operation.made_from(SET, SELKIES) == one


@pytest.mark.parametrize("text", ["thing==1.0\n", "thing>=1.0 --hash=sha256:" + "0" * 64 + "\n"])
def test_a_set_without_hashes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"set\.txt: thing.*: expected one version and its hashes: run `make lock`"):
        operation.checked(text, "set.txt")


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_selkies_is_the_same_on_every_python(version: str) -> None:
    """One version of each package, short of what only an old Python needs."""
    every = requirements.parse(SELKIES.file.read_text(encoding="utf-8"), SELKIES.file.name)
    markers = {"python_version": version, "python_full_version": f"{version}.0"}
    wanted = [one for one in every if one.requirement.marker is None or one.requirement.marker.evaluate(markers)]
    extra = {"async-timeout"} if version == "3.10" else set()
    assert {one.name for one in every if one.requirement.marker} == {"async-timeout"}
    assert len(wanted) == len({one.name for one in wanted}) == len(every) - 1 + len(extra)
    assert not {"uvloop", "nvidia-ml-py", "pycparser"} & {one.name for one in wanted}, "it runs without"


def test_the_lock_is_of_what_it_is_made_from() -> None:
    (named,) = requirements.parse(SELKIES.file.with_suffix(".in").read_text(encoding="utf-8"), "selkies.in")
    locked = {one.name: one.requirement for one in requirements.parse(SELKIES.file.read_text(encoding="utf-8"), "set")}
    assert locked["selkies"].specifier == Requirement("selkies==2.1.0").specifier == named.requirement.specifier


@pytest.mark.parametrize(
    ("variant", "screen", "streamed"),
    [("default", "tigervnc", False), ("alt", "tigervnc", True), ("s-def", "tigervnc", True), ("alt", "guide", False)],
)
def test_who_has_selkies(variant: str, screen: str, streamed: bool) -> None:
    settings = read_settings({"variant": variant, "screen": screen, "application": "sandbox"}, tuple(Layer))
    given = slice_of(Layer.ACCESS, settings, Release.BOOKWORM)
    assert (given["streaming"] == SELKIES) is streamed
    assert ("pulseaudio" in given["unpacked"]) is streamed
    assert settings.variant.access in Access
    assert settings.screen in Screen
