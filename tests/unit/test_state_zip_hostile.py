"""A zip of the state that was not taken home so changes nothing."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.home import manifest

from tests.unit import state_zips as zips
from tests.unit.state_zips import PRESET, contents, put, restore, workspace_in


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return workspace_in(tmp_path)


# -- zips of others

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (lambda: b"", "no whole zip"),
    "no zip": (lambda: b"hello" * 100, "no whole zip"),
    "another format": (lambda: b"\x1f\x8b\x08" + bytes(200), "no whole zip"),
    "cut off": (lambda: zips.zipped()[:-30], "no whole zip"),
    "cut off in the directory": (lambda: zips.zipped()[:-100], "no whole zip"),
    "something before": (lambda: b"#!/bin/sh\n" + zips.zipped(), "not where it should be"),
    "something behind": (lambda: zips.zipped() + b"x", "something follows"),
    "end only": (lambda: b"PK\5\6" + bytes(18), "has no visomaster-state.json"),
    "a directory of nothing": (lambda: zips.patched(zips.zipped(), zips.END, 16, "<L", 5), "not where it should be"),
    "more files than there are": (
        lambda: zips.patched(zips.patched(zips.zipped(), zips.END, 10, "<H", 9), zips.END, 8, "<H", 9),
        "expected 9 files, got 3",
    ),
    "of several parts": (lambda: zips.patched(zips.zipped(), zips.END, 4, "<H", 1), "one part of several"),
    "a million files": (
        lambda: (
            b"PK\6\6"
            + (44).to_bytes(8, "little")
            + bytes(12)
            + (1_000_000).to_bytes(8, "little") * 2
            + bytes(16)
            + b"PK\6\7"
            + bytes(12)
            + (1).to_bytes(4, "little")
            + b"PK\5\6"
            + bytes(4)
            + b"\xff" * 12
            + bytes(2)
        ),
        "holds too much",
    ),
    "zip64 without its record": (lambda: b"PK\5\6" + bytes(4) + b"\xff" * 12 + bytes(2), "no whole zip"),
    "no document": (lambda: renamed_document(), "has no visomaster-state.json"),
    "the document is a folder": (lambda: folder_document(), "has no visomaster-state.json"),
    "no JSON": (lambda: zips.zipped(said=None).replace(b'{"format"', b'!"format"x'[:9]), "damaged"),
    "no object": (lambda: zips.zipped(said=[1]), "expected an object, got list"),
    "a newer format": (lambda: zips.zipped(said=zips.document(zips.GOOD, format=2)), "the zip is of 2"),
    "a format of nothing": (lambda: zips.zipped(said=zips.document(zips.GOOD, format="1")), "format: expected 1"),
    "a format that is true": (lambda: zips.zipped(said=zips.document(zips.GOOD, format=True)), "format: expected 1"),
    "no application": (lambda: zips.zipped(said=zips.document(zips.GOOD, application="../x")), "application: expected"),
    "another application": (
        lambda: zips.zipped(
            {"state/fusion/a": b"x"}, said=zips.document({"state/fusion/a": b"x"}, application="fusion")
        ),
        "is of the application 'fusion', and this host runs 'visomaster'",
    ),
    "lines that are none": (lambda: zips.zipped(said=zips.document(zips.GOOD, left_out=[1])), "left_out: expected"),
    "files that are a list": (
        lambda: zips.zipped(said={**zips.document(zips.GOOD), "files": []}),
        "files: expected an object",
    ),
    "a size below nothing": (lambda: changed_file(size=-1), "size: expected a number of bytes, got -1"),
    "a size that is no number": (lambda: changed_file(size=1.5), "size: expected a number of bytes, got 1.5"),
    "another size": (lambda: changed_file(size=3), "expected 3 bytes, got 1"),
    "a digest that is none": (lambda: changed_file(sha256="x"), "sha256: expected 64 digits"),
    "another digest": (lambda: changed_file(sha256="0" * 64), "its sha256 differs"),
    "a time out of time": (lambda: changed_file(modified=1 << 60), "modified: expected ms"),
    "nothing said of it": (lambda: zips.zipped(said=zips.document({})), "is not in visomaster-state.json"),
    "said, but not there": (lambda: zips.zipped({}, said=zips.document(zips.GOOD)), "is missing from the zip"),
    "absolute": (lambda: zips.with_name("/etc/passwd"), "expected the name of one file or folder"),
    "up": (lambda: zips.with_name("../victim/precious"), "expected the name of one file or folder"),
    "up within": (lambda: zips.with_name("state/visomaster/../../../victim/x"), "expected the name"),
    "a point": (lambda: zips.with_name("state/./x"), "expected the name"),
    "nothing between": (lambda: zips.with_name("state//x"), "expected the name"),
    "a drive": (lambda: zips.with_name("C:\\Windows\\x"), "expected something in state/ or out/"),
    "up by backslashes": (lambda: zips.with_name("state\\..\\..\\victim\\x"), "expected something in state/ or out/"),
    "another folder": (lambda: zips.with_name("in/x"), "expected something in state/ or out/"),
    "a folder that is a file": (lambda: zips.with_name("state"), "expected something in state/ or out/"),
    "hidden": (lambda: zips.with_name("state/visomaster/.bashrc"), "does not begin with a point"),
    "in a hidden folder": (lambda: zips.with_name("state/.replaced/x/y"), "does not begin with a point"),
    "256 bytes": (lambda: zips.with_name("state/visomaster/" + "ü" * 128), "at most 255 bytes, got 256"),
    "too deep": (lambda: zips.with_name("state/" + "a/" * 60 + "x"), "at most 40 folders"),
    "a line end": (lambda: zips.with_name("state/visomaster/a\nb"), "no control characters"),
    "an escape": (lambda: zips.with_name("state/visomaster/\x1b[2J"), "no control characters"),
    "nothing at all": (lambda: zips.renamed("state/visomaster/aXb", b"state/visomaster/a\0b"), "no control characters"),
    "no UTF-8": (lambda: zips.renamed("state/visomaster/aXb", b"state/visomaster/a\xffb"), "expected a name in UTF-8"),
    "overlong UTF-8": (lambda: zips.renamed("state/aXXXb", b"state/\xc0\xae\xc0\xaeb"), "expected a name in UTF-8"),
    "a surrogate": (lambda: zips.renamed("state/aXXXb", b"state/a\xed\xa0\x80b"), "expected a name in UTF-8"),
    "twice": (lambda: twice(), "stands in the zip twice"),
    "a file and a folder": (
        lambda: zips.zipped({"state/visomaster/a": b"x", "state/visomaster/a/b": b"y"}),
        "is a file and a folder",
    ),
    "a link": (lambda: zips.zipped(infos={PRESET: zips.link}), "got a link or something else"),
    "a device": (lambda: zips.zipped(infos={PRESET: device}), "got a link or something else"),
    "encrypted": (lambda: zips.patched(zips.zipped(), zips.CENTRAL, 8, "<H", 1), "is encrypted"),
    "encrypted, in its own head": (lambda: zips.patched(zips.zipped(), zips.LOCAL, 6, "<H", 1), "directory says"),
    "packed otherwise": (lambda: zips.zipped(method=zipfile.ZIP_BZIP2), "stored or deflated, got method 12"),
    "another name in its own head": (lambda: other_name(), "is not what the zip's directory says"),
    "its head is nowhere": (
        lambda: zips.patched(zips.zipped(), zips.CENTRAL, 42, "<L", 7),
        "over another|directory says",
    ),
    "beyond the end": (lambda: zips.patched(zips.zipped(), zips.CENTRAL, 42, "<L", 1 << 30), "over another"),
    "sizes that differ": (lambda: zips.patched(zips.zipped(), zips.CENTRAL, 20, "<L", 3), "its sizes differ"),
    "a bad checksum": (lambda: zips.patched(zips.zipped(), zips.CENTRAL, 16, "<L", 7), "is damaged"),
    "a flipped bit": (lambda: zips.zipped().replace(b"videovideo", b"videoviden", 1), "is damaged"),
    "deflated, cut off": (lambda: bad_deflate(), "is damaged"),
    "sizes that are missing": (
        lambda: zips.patched(zips.zipped(), zips.CENTRAL, 24, "<L", 0xFFFFFFFF),
        "sizes are missing",
    ),
    "larger than it says": (zips.bomb, "is larger than the zip says"),
    "one over another": (zips.overlapping, "lies over another file"),
}


def renamed_document() -> bytes:
    return zips.zipped().replace(manifest.NAME.encode(), b"state/visomaster/x.js")


def folder_document() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{manifest.NAME}/", b"")
    return buffer.getvalue()


def changed_file(**changes: object) -> bytes:
    files = {"state/visomaster/a": b"x"}
    said = zips.document(files)
    said["files"]["state/visomaster/a"].update(changes)
    return zips.zipped(files, said=said)


def twice() -> bytes:
    return zips.zipped({"state/visomaster/aa": b"x", "state/visomaster/ab": b"x"}).replace(b"master/ab", b"master/aa")


def device(info: zipfile.ZipInfo) -> None:
    info.create_system, info.external_attr = 3, 0o020666 << 16


def other_name() -> bytes:
    content = zips.zipped()
    return content[:30] + content[30:].replace(b"presets/one.json", b"presets/two.json", 1)


def bad_deflate() -> bytes:
    content = zips.zipped({"state/visomaster/a": bytes(100_000)}, method=zipfile.ZIP_DEFLATED)
    at = 30 + len("state/visomaster/a")
    return content[:at] + b"\xff\xff" + content[at + 2 :]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_zip_of_others_changes_nothing(workspace: Path, name: str) -> None:
    make, told = HOSTILE[name]
    put(workspace, PRESET, b"mine")
    before = contents(workspace.parent)
    content = make()
    with pytest.raises(Refused, match=told) as refused:
        restore(workspace, content).restore()
    assert "\n" not in str(refused.value) and refused.value.status in (422, 507)
    (workspace.parent / "given.zip").unlink()
    assert contents(workspace.parent) == before


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_one_made_by_another_program_comes_back(workspace: Path, method: int) -> None:
    files = {"state/visomaster/big": bytes(3_000_000) + os.urandom(100_000), "out/b": b"", **zips.GOOD}
    restore(workspace, zips.zipped(files, method=method)).restore()
    assert {path: (workspace / path).read_bytes() for path in files} == files


def test_names_that_are_strange_but_good(workspace: Path) -> None:
    """One name by what Linux says: a file, and inside."""
    names = ["C:\\x", "a\\..\\b", "CON", "a ", "a.", "A.", "﷽", "e\u0301", "é", "\u202egpj.exe", "-rf", "ü" * 127]
    files = {f"state/visomaster/{name}": name.encode() for name in names}
    restore(workspace, zips.zipped(files)).restore()
    assert {path.name for path in (workspace / "state/visomaster").iterdir()} == set(names)


def flips(content: bytes) -> Iterator[bytes]:
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        yield bytes(changed)


def test_one_bit_changes_nothing_or_comes_back_right(workspace: Path) -> None:
    """Whatever it is: one line, or the very files."""
    files = {"state/visomaster/a": b"some text"}
    digest = hashlib.sha256(b"some text").hexdigest()
    for content in flips(zips.zipped(files)):
        try:
            restore(workspace, content).restore()
        except Refused:
            assert contents(workspace / "state") == {}
            continue
        found = contents(workspace / "state")
        assert set(found.values()) == {digest} and len(found) == 1
        shutil.rmtree(workspace / "state")
