"""Files that people give: what an editor of theirs makes of a text is read, what is no text is refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from visomaster_host import given
from visomaster_host.given import GivenError


@pytest.mark.parametrize(
    "content",
    [b"a = 1\nb = 2\n", b"\xef\xbb\xbfa = 1\nb = 2\n", b"a = 1\r\nb = 2\r\n", b"\xef\xbb\xbfa = 1\r\nb = 2\r\n"],
)
def test_what_editors_put_around_a_text_is_no_fault(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content)
    assert given.read(tmp_path / "f") == "a = 1\nb = 2\n"


BAD = {
    "UTF-16": ("a = 1\n".encode("utf-16"), "is UTF-16 text, expected UTF-8: save it as UTF-8"),
    "Latin-1": ("a = 1\nb = 'ä'\n".encode("latin-1"), "line 2 is no UTF-8 text: save the file as UTF-8"),
    "NUL": (b"a = 1\nb = \0\n", "line 2 has a NUL character, expected text"),
    "nothing": (b"", "is empty"),
    "nothing but a mark": (b"\xef\xbb\xbf \r\n", "is empty"),
    "a disk's image": (b"a" * (given.MOST + 1), "is longer than 16 MiB, which no file of this kind is"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_text_is_named(kind: str, tmp_path: Path) -> None:
    content, reason = BAD[kind]
    (tmp_path / "models.json").write_bytes(content)
    with pytest.raises(GivenError) as refused:
        given.read(tmp_path / "models.json", "models.json")
    assert str(refused.value) == f"models.json: {reason}"


def test_what_is_no_file_is_named_by_its_path(tmp_path: Path) -> None:
    """Nothing is waited for, and no kind of path is a traceback."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "file").touch()
    reasons = {
        "": "is no file",
        "fifo": "is no file",
        "loop": "Too many levels of symbolic links",
        "gone": "No such file or directory",
        "file/below": "Not a directory",
        "n" * 300: "File name too long",
        "a\0b": "embedded null byte",
    }
    for name, reason in reasons.items():
        with pytest.raises(GivenError, match=f"{reason}$") as refused:
            given.read(tmp_path / name)
        assert str(refused.value).startswith(str(tmp_path))
    there = {name: given.is_there(tmp_path / name) for name in reasons}
    assert [name for name, found in there.items() if not found] == ["gone", "file/below"]


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(GivenError, match=r"^own\.toml: Permission denied$"):
        given.read(tmp_path, "own.toml")
