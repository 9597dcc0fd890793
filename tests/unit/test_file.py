"""What the operations for files, folders and users ask and run, in a real shell on this machine."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError
from pyinfra.api import FactBase

from operations.facts.account import Account, Accounts, FoundAccount
from operations.facts.file import FoundFile, FoundFolders, RemoteFolder
from operations.facts.tree import RemoteFile
from operations.file import rendered, write_command

ME = pwd.getpwuid(os.getuid()).pw_name
MINE = grp.getgrgid(os.getgid()).gr_name


def sh(command: str, stdin: str = "") -> str:
    """What a shell command prints. Fails when it fails."""
    return subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, text=True, check=True).stdout


def ask(fact: FactBase[Any], **arguments: object) -> Any:
    """The fact about this machine, as pyinfra gets it."""
    lines = sh(fact.command(**arguments).get_raw_value()).splitlines()
    return fact.process(lines) if lines else fact.default()


@pytest.mark.parametrize("text", ["", "one\n", "sp ace 'quoted' \"twice\" $HOME `id` \\n\n\nümläut\n"])
def test_what_is_written_is_found(tmp_path: Path, text: str) -> None:
    """Content, mode and owner, whatever is in the text, over a file that was there with another mode."""
    dest = tmp_path / "a file"
    dest.write_text("another")
    dest.chmod(0o600)
    sh(write_command(str(dest), ME, MINE, "640"), stdin=text)
    assert dest.read_text() == text
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert ask(FoundFile(), path=str(dest), user=ME) == RemoteFile(mode="640", owner=f"{ME}:{MINE}", sha256=digest)
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


def test_a_link_a_folder_and_nothing_are_no_file(tmp_path: Path) -> None:
    """Each is replaced, or refused by the shell, never taken for the file that is wanted."""
    (tmp_path / "link").symlink_to(__file__)
    for name in ("link", "", "nothing"):
        assert ask(FoundFile(), path=str(tmp_path / name), user=ME) is None


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """What it leads to may be somebody else's."""
    target = tmp_path / "target"
    target.write_text("kept")
    (tmp_path / "link").symlink_to(target)
    sh(write_command(str(tmp_path / "link"), ME, MINE, "644"), stdin="new\n")
    assert (tmp_path / "link").read_text() == "new\n"
    assert target.read_text() == "kept"


def test_nothing_is_written_into_a_folder_of_that_name(tmp_path: Path) -> None:
    """The command fails instead."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(subprocess.CalledProcessError):
        sh(write_command(str(tmp_path / "folder"), ME, MINE, "644"), stdin="new\n")
    assert list((tmp_path / "folder").iterdir()) == []


def test_folders_are_found_with_owner_and_mode(tmp_path: Path) -> None:
    """A file and a missing one are left out."""
    folder, file = tmp_path / "a folder", tmp_path / "file"
    folder.mkdir(mode=0o750)
    file.touch()
    found = ask(FoundFolders(), paths=(str(folder), str(file), str(tmp_path / "missing")))
    assert found == {str(folder): RemoteFolder(mode="750", owner=f"{ME}:{MINE}")}


def test_a_user_is_found() -> None:
    """The one who runs this, and nobody of a name that nobody has."""
    entry = pwd.getpwuid(os.getuid())
    home = Path(entry.pw_dir)
    owner = home.owner() if home.is_dir() else ""
    group = grp.getgrgid(entry.pw_gid).gr_name
    expected = Account(
        uid=entry.pw_uid, gid=entry.pw_gid, group=group, home=entry.pw_dir, shell=entry.pw_shell, home_owner=owner
    )
    found = ask(FoundAccount(), user=entry.pw_name)
    assert (found.account, found.busy) == (expected, True)
    assert ask(FoundAccount(), user="no-such-user", number=54321) == Accounts()


def test_who_has_a_number_is_found() -> None:
    """Whether or not the user is there."""
    group = grp.getgrgid(os.getgid()).gr_name
    me = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == os.getgid():
        assert ask(FoundAccount(), user="no-such-user", number=os.getuid()) == Accounts(uid_of=me, gid_of=group)


def test_what_a_shell_prints_first_is_no_account() -> None:
    """A banner among the answers, and lines of words that mean nothing here."""
    fact = FoundAccount()
    assert fact.process(["Welcome", "to this box", "uid someone"]) == Accounts(uid_of="someone")


def test_a_template_without_a_value_is_an_error(tmp_path: Path) -> None:
    """Nothing is left empty in silence; the last line break stays."""
    template = tmp_path / "one.j2"
    template.write_text("a={{ a }}\n{% if a %}\nb\n{% endif %}\n")
    assert rendered(template, a=1) == "a=1\nb\n"
    with pytest.raises(UndefinedError):
        rendered(template)
