"""What operations run on a host: as root in root's folders alone, as their owner in others."""

from __future__ import annotations

import base64
import io
import os
import re
import shlex
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from operations.as_user import as_user, folder_command, in_roots_folder
from operations.facts.checkout import CheckoutCommit, CheckoutIgnores
from operations.facts.file import FoundFile, FoundLink
from operations.facts.tree import FoundTree
from operations.file import write_command
from operations.tree import unpack_command
from spec.here import ROOT
from tests.unit.hostile import UID, USER, exchanging, give


def sh(command: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the connectors do."""
    return subprocess.run(
        ["sh", "-c", command], input=stdin, capture_output=True, text=True, check=False, env={**os.environ, **variables}
    )


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of somebody else's."""
    give(tmp_path / "theirs")
    return tmp_path / "theirs"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of root's, such as /etc/apt/apt.conf.d."""
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o755)
    (folder / "precious").write_text("precious")
    return folder


def archive(*names: str) -> str:
    """A tar archive, as it is sent."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return base64.encodebytes(whole.getvalue()).decode()


def untouched(victim: Path) -> bool:
    """Whether it is as it was made."""
    return [path.name for path in victim.iterdir()] == ["precious"] and victim.stat().st_uid == 0


@pytest.mark.parametrize("name", ["guide.new", ".guide.new", "guide"])
def test_a_link_at_a_name_that_is_written_leads_nobody(theirs: Path, victim: Path, name: str) -> None:
    """A file there would belong to its user: in /etc/apt/apt.conf.d it is root's next command."""
    (theirs / name).symlink_to(victim)
    sh(write_command(str(theirs / "guide"), USER, USER, "644"), stdin="text\n")
    assert untouched(victim)


def test_what_is_somebodys_is_written_by_them(theirs: Path) -> None:
    done = sh(write_command(str(theirs / "a file"), USER, USER, "640"), stdin="text\n")
    assert (done.returncode, done.stderr) == (0, "")
    status = (theirs / "a file").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (UID, 0o640)
    assert (theirs / "a file").read_text() == "text\n"
    assert [path.name for path in theirs.iterdir()] == ["a file"]


def test_root_does_not_write_into_somebodys_folder(theirs: Path) -> None:
    """Nor below one: the operation fails in one line that names the folder."""
    (theirs / "deeper").mkdir()
    for dest in (theirs / "file", theirs / "deeper/file"):
        done = sh(write_command(str(dest), "root", "root", "644"), stdin="text\n")
        assert done.returncode != 0
        assert (
            done.stderr
            == f"{dest.parent}: {theirs} is not root's alone; what root writes there could be led elsewhere\n"
        )
    assert not list(theirs.glob("**/file*"))


@pytest.mark.parametrize(
    "command",
    [
        lambda place: folder_command(f"{place}/made", USER, "755"),
        lambda place: write_command(f"{place}/made", "root", "root", "644"),
        lambda place: write_command(f"{place}/made", USER, USER, "644"),
        lambda place: unpack_command(str(place), USER),
        lambda place: unpack_command(str(place), "root"),
    ],
    ids=["folder", "roots file", "their file", "their tree", "roots tree"],
)
def test_a_folder_that_is_a_link_by_turns_leads_nowhere(theirs: Path, victim: Path, command: object) -> None:
    """Bounded by time; by path each of them wins within it."""
    give(theirs / "place")
    with exchanging(theirs / "place", theirs / "spare", victim):
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            sh(command(theirs / "place"), stdin=archive("made") if "base64" in command(theirs) else "text\n")  # type: ignore[operator]
            assert untouched(victim)


def test_a_tree_of_somebodys_is_unpacked_by_them(theirs: Path, victim: Path) -> None:
    """A link among their folders leads where they may go themselves."""
    (theirs / "linked").symlink_to(victim)
    sh(unpack_command(str(theirs), USER), stdin=archive("linked/made"))
    assert untouched(victim)
    assert sh(unpack_command(str(theirs), USER), stdin=archive("plain/made")).returncode == 0
    assert (theirs / "plain/made").stat().st_uid == UID


def test_nothing_is_uploaded_under_a_name_that_can_be_foretold() -> None:
    """A file made there first stays its maker's. All that operations send goes in on standard input."""
    for source in (ROOT / "operations").rglob("*.py"):
        assert not re.search(r"FileUploadCommand|get_temp_filename|files\.put\(", source.read_text()), source


def test_the_user_gets_no_variable_and_no_terminal() -> None:
    done = sh(
        as_user(USER, "id -un; id -Gn; env; cut -d' ' -f7 /proc/$$/stat"), HF_TOKEN="canary", VNC_PASSWORD="canary"
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == [USER, USER]
    assert "canary" not in done.stdout
    assert {line.partition("=")[0] for line in lines[2:-1]} <= {"HOME", "LANG", "PATH", "PWD"}
    assert lines[-1] == "0", "it has a terminal"


def test_folders_are_made_where_only_root_can_have_led(tmp_path: Path) -> None:
    """CDPATH and odd names lead nowhere else."""
    dest = tmp_path / "a b/-c/$(d)"
    assert sh(in_roots_folder(str(dest), "touch made", make=True), CDPATH="/usr").returncode == 0
    assert (dest / "made").is_file()


FACTS = {
    "file": FoundFile().command(path="/app/VisoMaster/x", user=USER),
    "link": FoundLink().command(path="/app/VisoMaster/x", user=USER),
    "tree": FoundTree().command(path="/app/VisoMaster", user=USER),
    "commit": CheckoutCommit().command(path="/app/VisoMaster", user=USER),
    "ignores": CheckoutIgnores().command(path="/app/VisoMaster", patterns=("/x",), user=USER),
}


@pytest.mark.parametrize("name", FACTS)
def test_questions_about_somebodys_folder_are_asked_by_them(name: str) -> None:
    """A pipe, a device or a repository's configuration is then theirs alone to meet."""
    words = shlex.split(str(FACTS[name].get_raw_value()))
    assert words[:4] == ["if", "id", "-u", USER]
    # The folder is named once: to the shell that is that user.
    before, _, after = str(FACTS[name].get_raw_value()).partition(f"setpriv --reuid {USER}")
    assert "/app/VisoMaster" not in before and "/app/VisoMaster" in after


def test_a_host_without_the_user_has_nothing_of_theirs() -> None:
    command = FoundTree().command(path="/etc", user="no-such-user").get_raw_value()
    assert sh(command).stdout == ""


def test_a_question_about_their_tree_is_answered(theirs: Path) -> None:
    (theirs / "file").write_text("x")
    os.chown(theirs / "file", UID, UID)
    (theirs / "two\nlines").write_text("d 777 root:root x")
    os.mkfifo(theirs / "pipe")
    lines = sh(FoundTree().command(path=str(theirs), user=USER).get_raw_value()).stdout.splitlines()
    found = FoundTree().process(lines)
    assert (list(found.files), list(found.folders)) == (["file"], ["."])
