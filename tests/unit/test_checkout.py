"""A program's source is brought by its user, whose repository may say what git runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from operations.as_user import as_user
from operations.checkout import checkout_command
from operations.facts.checkout import PRIVATE, PrivateFiles
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


def test_what_an_older_run_left_private_is_given_back(tmp_path: Path, origin: Path) -> None:
    """Under an umask of 077 git made files and folders that only their user reads; what is the user's own stays so."""
    git(origin, "init", "-q")
    (origin / "app").mkdir()
    for name in ("app/main.py", "run.sh"):
        (origin / name).write_text("#!/bin/sh\n")
    (origin / "run.sh").chmod(0o755)
    (origin / "link").symlink_to("/etc/shadow")
    subprocess.run(["chown", "-R", f"{UID}:{UID}", origin], check=True)
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "two")
    folder = tmp_path / "program"
    assert bring(origin, folder).returncode == 0
    look = PrivateFiles().command(path=str(folder), user=USER).get_raw_value()
    heal = as_user(USER, PRIVATE, str(folder), "heal")

    def sh(command: str) -> list[str]:
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()

    assert sh(look) == []
    (folder / "outputs").mkdir(mode=0o700)
    for name, mode in {"app": 0o700, ".git": 0o700, "app/main.py": 0o600, "run.sh": 0o700}.items():
        (folder / name).chmod(mode)
    assert set(sh(look)) == {"./app", "./.git", "./app/main.py", "./run.sh"}
    sh(heal)
    assert sh(look) == []
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in ("app", ".git", "app/main.py", "run.sh")}
    assert modes == {"app": 0o755, ".git": 0o755, "app/main.py": 0o644, "run.sh": 0o755}
    assert (folder / "outputs").stat().st_mode & 0o777 == 0o700
