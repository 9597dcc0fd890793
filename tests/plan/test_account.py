"""The number of the program's user: where there is none, where they have another, where somebody has theirs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from visomaster_host import users

from spec.distribution import Release
from tests.plan.fake import on, run

NUMBER = users.DESKTOP_ID
THERE = ["group visomaster", "home visomaster"]
OLDER = ["entry visomaster:x:1000:1000::/home/visomaster:/bin/bash", *THERE]
AS_WANTED = [f"entry visomaster:x:{NUMBER}:{NUMBER}::/home/visomaster:/bin/bash", *THERE]
TAKEN = {"uid": [f"uid {users.DESKTOP}-else"], "gid": ["Welcome to this box", "gid someone"]}


def attempt(folder: Path, found: list[str]) -> subprocess.CompletedProcess[str]:
    """A run of the layer on a host of which this is `found`."""
    release = {"/etc/os-release": ["ID=debian", 'VERSION_ID="12"'], "db:Status-Status": [""]}
    host = on(Release.BOOKWORM, "box", fake_responses={**release, "# Say what is known of the user": found})
    return run(folder, [host], "deploy.py", "-y", "-vvv", "--data", "layers=system")


@pytest.mark.parametrize("kind", TAKEN)
def test_a_number_that_is_somebodys_is_refused(tmp_path: Path, kind: str) -> None:
    """In one line that names them, before anything is done; whoever has our user already or not."""
    done = attempt(tmp_path, TAKEN[kind])
    last = [line for line in done.stderr.splitlines() if line.strip()][-1]
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert f"{kind} {NUMBER} belongs to {TAKEN[kind][-1].split()[1]} on @fake/box" in last
    assert "Beginning operation run" not in done.stderr


@pytest.mark.parametrize(
    ("found", "sent", "not_sent"),
    [
        ([], [f"groupadd --gid {NUMBER}", f"useradd --create-home --uid {NUMBER} --gid visomaster"], "renumber"),
        (OLDER, [f"renumber visomaster {NUMBER} /workspace /app/VisoMaster /home/visomaster"], "useradd --create"),
        (AS_WANTED, [], "useradd --create"),
        (
            [*OLDER, "busy yes"],
            ["visomaster keeps uid 1000, not 3717: programs of theirs run here"],
            "renumber visomas",
        ),
    ],
    ids=["none", "older", "as wanted", "busy"],
)
def test_what_is_done(tmp_path: Path, found: list[str], sent: list[str], not_sent: str) -> None:
    """One number on every host, but for a running box that has had another."""
    done = attempt(tmp_path, found)
    assert done.returncode == 0, done.stderr
    assert [text for text in sent if text not in done.stderr] == [], done.stderr
    assert not_sent not in done.stderr
