"""Folders brought to a host as a whole."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from visomaster_host import paths

from operations.facts.bytecode import StaleBytecode
from operations.facts.tree import FoundTree, RemoteFile, RemoteFolder
from operations.facts.unpacked import UnpackedFiles
from operations.tree import differing, folders_of, packed, private, remove_command, unpack_command
from spec.folder import digest, local_files, without


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/run").write_text("#!/bin/sh\n")
    (tmp_path / "bin/run").chmod(0o755)
    (tmp_path / "data.txt").write_text("data")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/x.pyc").touch()
    return tmp_path


def found(folder: Path) -> dict[str, RemoteFile]:
    """What the fact says of a host that has exactly the files of `folder`."""
    from hashlib import sha256

    return {
        name: RemoteFile(mode=file.mode, owner="root:root", sha256=sha256(file.path.read_bytes()).hexdigest())
        for name, file in local_files(folder).items()
    }


def test_compiled_python_and_excluded_entries_are_left_out(folder: Path) -> None:
    assert sorted(local_files(folder)) == ["bin/run", "data.txt"]
    assert sorted(local_files(folder, frozenset({"bin"}))) == ["data.txt"]


def test_programs_stay_programs(folder: Path) -> None:
    assert {name: file.mode for name, file in local_files(folder).items()} == {"bin/run": "755", "data.txt": "644"}


def test_an_equal_host_differs_in_nothing(folder: Path) -> None:
    assert differing(local_files(folder), found(folder), "root:root") == []


def test_content_mode_and_owner_each_make_a_difference(folder: Path) -> None:
    wanted, host = local_files(folder), found(folder)
    assert differing(wanted, host, "visomaster:visomaster") == ["bin/run", "data.txt"]
    (folder / "data.txt").write_text("other")
    assert differing(local_files(folder), host, "root:root") == ["data.txt"]
    (folder / "bin/run").chmod(0o644)
    assert differing(local_files(folder), host, "root:root") == ["bin/run", "data.txt"]


def test_the_digest_follows_content(folder: Path) -> None:
    before = digest(local_files(folder))
    (folder / "data.txt").write_text("other")
    assert digest(local_files(folder)) != before


def test_the_fact_reads_names_with_spaces() -> None:
    listed = ["d 755 root:root .", "f 644 root:root ./a file", "d 700 root:root ./bin", "f 755 root:root ./bin/run"]
    found = FoundTree().process([*listed, "", "aa  ./a file", "bb  ./bin/run"])
    assert found.files == {
        "a file": RemoteFile(mode="644", owner="root:root", sha256="aa"),
        "bin/run": RemoteFile(mode="755", owner="root:root", sha256="bb"),
    }
    assert found.folders == {
        ".": RemoteFolder(mode="755", owner="root:root"),
        "bin": RemoteFolder(mode="700", owner="root:root"),
    }


def test_a_folder_that_others_cannot_enter_is_brought_again(folder: Path, tmp_path: Path) -> None:
    """The umask of whoever ran an older playbook made it so; what is in it is as it should be."""
    dest = tmp_path / "dest"
    shutil.copytree(folder, dest)
    dest.chmod(0o755)
    (dest / "bin").chmod(0o700)
    command = FoundTree().command(path=str(dest), user="root").get_raw_value()
    lines = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()
    found = FoundTree().process(lines)
    assert private(folders_of(local_files(folder)), found.folders) == {"bin"}
    archive = base64.b64encode(packed({}, {"bin"}, "root", "root")).decode()
    subprocess.run(["sh", "-c", unpack_command(str(dest), "root")], input=archive, text=True, check=True)
    assert (dest / "bin").stat().st_mode & 0o777 == 0o755


def test_what_is_linked_to_elsewhere_is_not_brought(folder: Path, tmp_path: Path) -> None:
    """What the program keeps lives there, and may be a person's."""
    dest = tmp_path / "dest"
    (dest / "bin").parent.mkdir()
    (dest / "bin").symlink_to(tmp_path)
    command = FoundTree().command(path=str(dest), user="root").get_raw_value()
    lines = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()
    found = FoundTree().process(lines)
    assert found.links == {"bin"}
    wanted = local_files(folder)
    assert set(wanted) - set(without(wanted, found.links)) == {name for name in wanted if name.startswith("bin/")}
    assert without(wanted, {"bi"}) == wanted


def test_whatever_is_to_go_goes(folder: Path) -> None:
    """More files than a command has room for, with names that a shell would read otherwise."""
    names = ["-rf", "a  b", 'it\'s "one"', "$HOME", *(f"{number:0200}" for number in range(2000))]
    for name in names:
        (folder / name).touch()
    command = remove_command(str(folder), "root")
    given = "".join(f"{name}\n" for name in [*names, "not there"])
    subprocess.run(["sh", "-c", command], input=given, text=True, check=True)
    assert sorted(local_files(folder)) == ["bin/run", "data.txt"]


def test_compiled_python_that_others_cannot_read_is_stale(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print(1)\n")
    subprocess.run([str(paths.SYSTEM_PYTHON), "-I", "-m", "compileall", "-q", str(tmp_path)], check=True)
    command = StaleBytecode().command(folder=str(tmp_path)).get_raw_value()

    def stale() -> list[str]:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert stale() == []
    (compiled,) = (tmp_path / "__pycache__").iterdir()
    compiled.chmod(0o600)
    assert stale() == [str(tmp_path / "a.py")]
    compiled.chmod(0o644)
    compiled.parent.chmod(0o700)
    assert stale() == [str(tmp_path / "a.py")]


def test_an_unpacked_folder_that_others_cannot_enter_is_none(tmp_path: Path) -> None:
    (tmp_path / ".unpacked").write_text("package novnc 1\npath usr/share/novnc\n")
    command = UnpackedFiles().command(folder=str(tmp_path)).get_raw_value()

    def found() -> dict[str, str]:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        return UnpackedFiles().process(done.stdout.splitlines()).versions

    tmp_path.chmod(0o755)
    assert found() == {"novnc": "1"}
    tmp_path.chmod(0o700)
    assert found() == {}
