"""Checkouts of Windows: whatever git or an archive makes of this repository there, a host gets programs that run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from spec.folder import local_files
from spec.here import FILES, ROOT

PROGRAM = "#!/usr/bin/python3 -I\nprint()\n"


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_clone_that_is_told_to_have_cr_has_none(tmp_path: Path) -> None:
    """`core.autocrlf=true` is what git's installer for Windows sets."""
    git("clone", "--quiet", "--no-tags", "-c", "core.autocrlf=true", str(ROOT), str(tmp_path / "clone"))
    names = git("-C", str(tmp_path / "clone"), "ls-files", "-z").split("\0")
    contents = {name: (tmp_path / "clone" / name).read_bytes() for name in names if name}
    assert len(contents) > 300
    assert [name for name, content in contents.items() if b"\r\n" in content and b"\0" not in content] == []


def test_every_text_has_its_line_ends_said() -> None:
    """Also one that is not committed yet, and a binary that git would take for text."""
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    said = subprocess.run(
        ["git", "check-attr", "-z", "--stdin", "text", "eol"],
        cwd=ROOT,
        input=names,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    found: dict[str, list[str]] = {}
    for name, _, value in zip(said[::3], said[1::3], said[2::3], strict=False):
        found.setdefault(name, []).append(value)
    assert len(found) > 300
    assert {name for name, values in found.items() if values not in (["auto", "lf"], ["unset", "lf"])} == set()
    binary = {Path(name).suffix for name, values in found.items() if values[0] == "unset"}
    assert binary == {".pkl", ".png"}


def test_our_own_files_come_to_a_host_as_they_were_written(tmp_path: Path) -> None:
    """An archive that was made on Windows has CR in texts, and no program."""
    for name, content in {"bin/run": PROGRAM, "page.html": "<p>\n", "module.py": "x = 1\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.replace("\n", "\r\n").encode())
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    (tmp_path / "page.html").chmod(0o777)  # a file system of Windows says this of every file
    found = local_files(tmp_path, own=True)
    assert {name: file.mode for name, file in found.items()} == {
        "bin/run": "755",
        "module.py": "644",
        "page.html": "644",
        "picture": "644",
    }
    assert found["bin/run"].content == PROGRAM.encode() and found["page.html"].content == b"<p>\n"
    assert found["picture"].content == b"\x89PNG\r\n\x1a\n\0"


def test_a_program_of_somebody_else_is_theirs(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(b"#!/usr/bin/python3\r\n")
    (file,) = local_files(tmp_path).values()
    assert (file.mode, file.content) == ("644", b"#!/usr/bin/python3\r\n")


def test_what_of_ours_is_a_program_is_seen_at_its_first_line() -> None:
    """As committed: the bit and the line say the same."""
    found = {name for name, file in local_files(FILES, own=True).items() if file.executable}
    committed = {line.split("\t")[1] for line in git("ls-files", "-s", "files").splitlines() if line[:6] == "100755"}
    assert {f"files/{name}" for name in found} == committed
