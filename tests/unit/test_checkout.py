"""A program's source is brought by its user, whose repository may say what git runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from operations.checkout import checkout_command
from tests.unit.hostile import UID, USER, give

GIT = ("git", "-c", "user.name=x", "-c", "user.email=x", "-c", "init.defaultBranch=main")


def git(folder: Path, *words: str) -> str:
    """What git says, as somebody."""
    who = {"user": UID, "group": UID, "extra_groups": []}
    done = subprocess.run(
        [*GIT, "-C", str(folder), *words], capture_output=True, text=True, check=True, env={"HOME": "/"}, **who
    )
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with one commit."""
    give(tmp_path / "origin")
    git(tmp_path / "origin", "init", "-q")
    git(tmp_path / "origin", "commit", "-q", "--allow-empty", "-m", "one")
    return tmp_path / "origin"


def bring(origin: Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run what the operation runs."""
    command = checkout_command(f"file://{origin}", git(origin, "rev-parse", "HEAD"), str(folder), USER)
    environment = {**os.environ, **variables}
    return subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)


def test_what_a_repository_runs_sees_no_secret(tmp_path: Path, origin: Path) -> None:
    """A hook that the program's user put into its own checkout."""
    folder = tmp_path / "program"
    give(folder, tmp_path / "said")
    git(folder, "init", "-q")
    hook = folder / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\n{{ id -un; env; }} >{tmp_path}/said/it\n")
    hook.chmod(0o755)
    done = bring(origin, folder, HF_TOKEN="canary", VNC_PASSWORD="canary", https_proxy="http://proxy.invalid:1")
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "said/it").read_text()
    assert said.splitlines()[0] == USER
    assert "canary" not in said
    assert "https_proxy=http://proxy.invalid:1" in said, "git needs it to reach a server"


def test_a_program_in_somebodys_folder_is_refused(tmp_path: Path, origin: Path) -> None:
    """Root would make its folder there, and give it away."""
    give(tmp_path / "theirs")
    done = bring(origin, tmp_path / "theirs/program")
    assert done.returncode != 0
    assert f"{tmp_path}/theirs is not root's alone" in done.stderr
    assert not (tmp_path / "theirs/program").exists()


def test_a_new_checkout_is_its_users(tmp_path: Path, origin: Path) -> None:
    tmp_path.chmod(0o755)
    assert bring(origin, tmp_path / "program").returncode == 0
    assert {path.stat().st_uid for path in (tmp_path / "program", *(tmp_path / "program").rglob("*"))} == {UID}
