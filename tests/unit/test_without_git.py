"""A host need not have git: its checkouts are read without it, and the distribution's comes for a run that needs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from operations.checkout import checkout_command
from operations.facts.checkout import CheckoutCommit
from operations.remote import checkout_private
from tests.unit.hostile import USER, give
from tests.unit.test_checkout import git, origin

__all__ = ["origin"]


def commit_of(folder: Path) -> str:
    """What the fact finds."""
    ask = CheckoutCommit().command(path=str(folder), user=USER).get_raw_value()
    done = subprocess.run(["sh", "-c", ask], capture_output=True, text=True, check=True)
    return CheckoutCommit().process(done.stdout.splitlines())


def test_a_checkout_says_its_commit_as_git_would(tmp_path: Path, origin: Path) -> None:
    tmp_path.chmod(0o755)
    head = git(origin, "rev-parse", "HEAD")
    assert commit_of(origin) == head, "on a branch"
    git(origin, "pack-refs", "--all")
    assert not list((origin / ".git/refs/heads").iterdir())
    assert commit_of(origin) == head, "whose name is packed"
    git(origin, "checkout", "-q", "--detach")
    assert commit_of(origin) == head
    git(origin, "checkout", "-q", "--orphan", "empty")
    assert commit_of(origin) == "", "nothing was committed there"
    assert commit_of(tmp_path) == "", "it is no checkout"
    (origin / ".git/HEAD").unlink()
    assert commit_of(origin) == "", "it is none any more"


@pytest.mark.parametrize("version", [2, 3, 4])
def test_the_index_names_what_git_names(origin: Path, version: int) -> None:
    names = ["a", "a.b/c", "a.b/cdefg", f"long/{'x' * 200}/y", f"long/{'x' * 200}/yy", "ü", "two words", "z\nz"]
    for name in names:
        if (folder := (origin / name).parent) != origin:
            give(*reversed([one for one in (folder, folder.parent) if one not in (origin, origin.parent)]))
        (origin / name).write_text(name)
    git(origin, "add", ".")
    if version == 3:  # an entry with more flags makes it one
        (origin / "new").touch()
        git(origin, "add", "--intent-to-add", "new")
        names.append("new")
    git(origin, "update-index", "--index-version", str(version))
    index = (origin / ".git/index").read_bytes()
    assert index[7] == version
    assert sorted(checkout_private.tracked(index)) == sorted(names)


@pytest.mark.parametrize("index", [b"", b"DIRC", b"DIRC\0\0\0\5\0\0\0\1", b"DIRC\0\0\0\2\0\0\0\1" + b"x" * 64])
def test_an_index_that_is_none_names_nothing(tmp_path: Path, index: bytes) -> None:
    (tmp_path / "index").write_bytes(index)
    assert checkout_private.known(tmp_path / "index") == {".", ".git"}


APT = """#!/bin/sh
# Has git as the distribution does, with what only its documentation and its perl need.
case "$*" in
    *install*) printf 'Inst %s (1.0 Debian:12/stable [all])\\n' perl libperl5.36 liberror-perl git-man git ;;
    *download*) shift 2; echo "$@" >"$SAID"; cp "$DEB" git_1.0_all.deb ;;
esac
"""


@pytest.fixture
def without(tmp_path: Path) -> dict[str, str]:
    """Variables of a host without git, whose apt has one that is somewhere else when it runs."""
    tmp_path.chmod(0o755)
    root, programs = tmp_path / "root", tmp_path / "bin"
    for folder in (root / "DEBIAN", root / "usr/bin", root / "usr/share/git-core/templates", programs):
        folder.mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: git\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
    )
    libraries = root / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    there = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    (root / "usr/lib/git-core").symlink_to(there)
    (root / "usr/bin/git").write_text(
        '#!/bin/sh\ncase "$LD_LIBRARY_PATH" in "${0%/bin/git}"/lib/*) ;; *) exit 9 ;; esac\nexec /usr/bin/git "$@"\n'
    )
    (root / "usr/bin/git").chmod(0o755)
    subprocess.run(["dpkg-deb", "-b", root, tmp_path / "git.deb"], check=True, capture_output=True)
    for folder in ("/usr/sbin", "/usr/bin"):
        for program in Path(folder).iterdir():
            if program.name not in ("git", "apt-get"):
                (programs / program.name).unlink(missing_ok=True)
                (programs / program.name).symlink_to(program)
    (programs / "apt-get").write_text(APT.replace("$SAID", f"{tmp_path}/said").replace("$DEB", f"{tmp_path}/git.deb"))
    (programs / "apt-get").chmod(0o755)
    return {**os.environ, "PATH": str(programs)}


def test_the_distributions_git_comes_for_the_run(tmp_path: Path, origin: Path, without: dict[str, str]) -> None:
    """It is there with its libraries and without perl, and gone afterwards, however the run ends."""
    (tmp_path / "app/.visomaster-git").mkdir(parents=True)  # of a run that was killed
    folder, head = tmp_path / "app/VisoMaster", git(origin, "rev-parse", "HEAD")
    for commit, status in ((head, 0), ("0" * 40, 1)):
        command = checkout_command(f"file://{origin}", commit, str(folder), USER)
        done = subprocess.run(["sh", "-c", command], env=without, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (status, status), done.stderr
        assert "the host has no git" in done.stdout
        assert (tmp_path / "said").read_text() == "git\n"
        assert list((tmp_path / "app").iterdir()) == [folder]
    assert commit_of(folder) == head


def test_a_git_that_cannot_be_had_is_one_line(tmp_path: Path, origin: Path, without: dict[str, str]) -> None:
    (tmp_path / "bin/apt-get").write_text("#!/bin/sh\necho 'E: there is no archive'\nexit 100\n")
    command = checkout_command(f"file://{origin}", "0" * 40, f"{tmp_path}/VisoMaster", USER)
    done = subprocess.run(["sh", "-c", command], env=without, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "E: there is no archive\n")
    assert not (tmp_path / ".visomaster-git").exists()
