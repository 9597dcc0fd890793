"""What the sandbox makes is the same on every machine, and what is committed belongs to it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from sandbox import conda, git, models
from sandbox.shell import REPOSITORY, SandboxError, fingerprint, run


def test_committed_manifest_is_of_the_models_that_are_made() -> None:
    """`python3 -m sandbox.models > VisoMaster/models/sandbox.json` renews it."""
    committed = json.loads((REPOSITORY / "VisoMaster/models/sandbox.json").read_text())
    assert committed == models.manifest()


def test_models_are_written_where_their_urls_say(tmp_path: Path) -> None:
    models.write_assets(tmp_path)
    for entry in json.loads((REPOSITORY / "VisoMaster/models/sandbox.json").read_text())["files"]:
        content = (tmp_path / entry["url"].removeprefix(f"{models.URL}/")).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (entry["sha256"], entry["size"])


def test_committed_profile_names_the_commit_of_the_application() -> None:
    """An edit below sandbox/application changes its commit: VisoMaster/sandbox.toml follows."""
    commit = git.commit_of(REPOSITORY / "sandbox/application")
    assert f'commit = "{commit}"' in (REPOSITORY / "VisoMaster/sandbox.toml").read_text()


def test_requirements_are_pinned_by_hash_and_name_no_index() -> None:
    lines = (REPOSITORY / "VisoMaster/requirements/sandbox.txt").read_text().splitlines()
    requirements = [line for line in lines if line[:1].isalpha()]
    assert requirements and all("==" in line and line.endswith("\\") for line in requirements)
    assert not [line for line in lines if "://" in line or line.startswith("--")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small tree: a program, a folder that sorts beside a file of nearly its name, a cache to leave out."""
    root = tmp_path / "tree"
    (root / "a").mkdir(parents=True)
    (root / "a/inner.txt").write_text("inner\n")
    (root / "a.txt").write_text("a\n")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "__pycache__").mkdir()
    (root / "__pycache__/x.pyc").write_text("no")
    return root


def test_repository_is_what_git_reads(folder: Path, tmp_path: Path) -> None:
    repository = tmp_path / "bare.git"
    commit = git.write_repository(folder, repository)
    assert commit == git.commit_of(folder)

    def ask(*words: str) -> str:
        command = ["git", "-c", f"safe.directory={repository}", "--git-dir", str(repository), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert ask("rev-parse", "HEAD") == commit
    ask("fsck", "--strict")
    listed = [line.split() for line in ask("ls-tree", "-r", "HEAD").splitlines()]
    assert [(line[0], line[3]) for line in listed] == [
        ("100644", "a.txt"),
        ("100644", "a/inner.txt"),
        ("100755", "run"),
    ]


def package(tree: Path, **changes: object) -> conda.Package:
    values = {"name": "demo", "version": "1.0", "build": "0", "subdir": "linux-64", "tree": tree} | changes
    return conda.Package(**values)  # type: ignore[arg-type]


def test_package_has_the_same_bytes_whenever_it_is_made(folder: Path) -> None:
    first = conda.archive(package(folder))
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    (folder / "a.txt").chmod(0o600)
    assert conda.archive(package(folder)) == first


def test_package_says_what_it_holds(folder: Path) -> None:
    (folder / "link").symlink_to("a.txt")
    with tarfile.open(fileobj=io.BytesIO(conda.archive(package(folder, depends=("python",)))), mode="r:bz2") as tar:
        members = {member.name: member for member in tar.getmembers()}
        texts = {name: tar.extractfile(name) for name in ("info/index.json", "info/paths.json")}
        index, paths = (json.load(file) for file in texts.values() if file)
    assert (index["name"], index["depends"], index["arch"]) == ("demo", ["python"], "x86_64")
    kinds = {entry["_path"]: entry["path_type"] for entry in paths["paths"]}
    assert kinds["link"] == "softlink" and kinds["a/inner.txt"] == "hardlink"
    assert members["link"].issym() and members["run"].mode == 0o755 and members["a.txt"].mode == 0o644
    assert {member.mtime for member in members.values()} == {conda.EPOCH}


def test_channel_index_names_every_package_by_its_hash(folder: Path, tmp_path: Path) -> None:
    python = package(folder, subdir="noarch", noarch_python=True, entry_points=("demo = demo:main",))
    conda.write_channel(tmp_path / "channel", [python, package(folder, name="other")])
    for subdir, name in (("noarch", "demo"), ("linux-64", "other")):
        index = json.loads((tmp_path / "channel" / subdir / "repodata.json").read_text())
        ((file, entry),) = index["packages"].items()
        content = (tmp_path / "channel" / subdir / file).read_bytes()
        assert (entry["name"], index["info"]["subdir"]) == (name, subdir)
        assert (entry["sha256"], entry["size"]) == (hashlib.sha256(content).hexdigest(), len(content))


def test_fingerprint_follows_names_modes_and_contents(folder: Path) -> None:
    before = fingerprint(folder)
    (folder / "__pycache__/y.pyc").write_text("no matter")
    assert fingerprint(folder) == before
    (folder / "run").chmod(0o644)
    assert fingerprint(folder) != before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            ["sh", "-c", "echo first; echo 'E: Unable to locate' >&2; echo last >&2; exit 3"],
            "3: E: Unable to loc",
        ),
        (["sh", "-c", "exit 4"], "exit status 4: no output"),
        (["no-such-program-here"], "no-such-program-here: no such program"),
    ],
)
def test_a_failed_command_is_one_line(command: list[str], message: str) -> None:
    with pytest.raises(SandboxError, match=message) as raised:
        run(command, timeout=5)
    assert "\n" not in str(raised.value)


def test_a_command_is_bounded() -> None:
    with pytest.raises(SandboxError, match="no end after 0 s"):
        run(["sleep", "5"], timeout=0.2)
