"""What is taken home comes back; a zip that was not taken home so changes nothing."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.home import manifest, restoring
from visomaster_host.workspace.home.reader import Zip
from visomaster_host.workspace.home.restoring import Restore
from visomaster_host.workspace.home.saving import Archive, Changed, Wanted, look
from visomaster_host.workspace.home.writer import Writer
from visomaster_host.workspace.space import Space
from visomaster_host.workspace.tree import Tree

from tests.unit import state_zips as zips

WANTED = Wanted(application="visomaster", commit="c0ffee", out=True)
PRESET = "state/visomaster/presets/one.json"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workspace"
    for name in ("in", "out", "state"):
        (folder / name).mkdir(parents=True)
    (tmp_path / "victim").mkdir()
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    (tmp_path / "victim/precious").write_text("precious")
    return folder


def put(workspace: Path, path: str, content: bytes = b"x", age: float = 100) -> Path:
    file = workspace / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    when = file.stat().st_mtime - age
    os.utime(file, (when, when))
    return file


def contents(folder: Path) -> dict[str, str]:
    """Every file and empty folder below, links as what they are."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not any(path.iterdir()):
            found[name] = "empty"
    return found


def saved(workspace: Path, wanted: Wanted = WANTED) -> bytes:
    tree, sink = Tree(workspace), io.BytesIO()
    archive = Archive(tree, look(tree, wanted), wanted)
    archive.stream(sink.write)
    assert len(sink.getvalue()) == archive.length
    return sink.getvalue()


def restore(workspace: Path, content: bytes, application: str = "visomaster") -> Restore:
    file = workspace.parent / "given.zip"
    file.write_bytes(content)
    with file.open("rb") as opened:
        return Restore(Tree(workspace), os.dup(opened.fileno()), application)


# -- there and back

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=20).filter(
    lambda name: not name.startswith(".") and len(name.encode()) < 200
)
TREES = st.recursive(
    st.binary(max_size=200), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
).filter(lambda tree: isinstance(tree, dict))


def grow(folder: Path, tree: dict[str, object]) -> None:
    for name, what in tree.items():
        if isinstance(what, dict):
            (folder / name).mkdir()
            grow(folder / name, what)
        else:
            assert isinstance(what, bytes)
            (folder / name).write_bytes(what)
            os.utime(folder / name, (1_000_000_000.25, 1_600_000_000.125))


@settings(max_examples=40, deadline=None)
@given(kept=TREES, made=TREES)
def test_any_tree_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, kept: dict[str, object], made: dict[str, object]
) -> None:
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    for top, tree in (("state", kept), ("out", made)):
        (here / top).mkdir()
        grow(here / top, tree)
        (there / top).mkdir()
    content = saved(here)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
    wanted = restore(there, content)
    assert wanted.restore() == len(wanted.manifest.files)
    assert contents(there) == contents(here)
    for path in wanted.manifest.files:
        assert (there / path).stat().st_mtime == (here / path).stat().st_mtime
    again = restore(there, content).plan()
    assert (again.new, again.replaced, again.same) == ([], [], len(wanted.manifest.files))


def test_what_is_replaced_is_kept_beside(workspace: Path) -> None:
    put(workspace, PRESET, b"new")
    content = saved(workspace)
    put(workspace, PRESET, b"mine")
    before = contents(workspace)
    wanted = restore(workspace, content)
    assert (wanted.plan().new, wanted.plan().replaced) == ([], [PRESET])
    assert contents(workspace) == before, "looking changes nothing"
    assert wanted.restore() == 1
    assert (workspace / PRESET).read_bytes() == b"new"
    (kept,) = (workspace / "state/.replaced").iterdir()
    assert (kept / "visomaster/presets/one.json").read_bytes() == b"mine"
    assert not (workspace / "state" / restoring.BESIDE).exists()


@pytest.mark.parametrize("what", ["link", "folder", "file above", "link above", "fifo"])
def test_what_stands_in_the_way_is_kept_and_never_followed(workspace: Path, what: str) -> None:
    put(workspace, PRESET, b"new")
    content = saved(workspace)
    victim = workspace.parent / "victim"
    (workspace / PRESET).unlink()
    if what == "link":
        (workspace / PRESET).symlink_to(victim / "precious")
    elif what == "folder":
        put(workspace, f"{PRESET}/inner", b"mine")
    elif what == "fifo":
        os.mkfifo(workspace / PRESET)
    else:
        (workspace / PRESET).parent.rmdir()
        if what == "file above":
            put(workspace, "state/visomaster/presets", b"mine")
        else:
            (workspace / PRESET).parent.symlink_to(victim)
    wanted = restore(workspace, content)
    assert wanted.plan().replaced == [PRESET]
    assert wanted.restore() == 1
    assert (workspace / PRESET).read_bytes() == b"new" and not (workspace / PRESET).parent.is_symlink()
    assert contents(victim) == {"precious": hashlib.sha256(b"precious").hexdigest()}
    aside = [path for path in (workspace / "state/.replaced").rglob("*") if path.is_symlink() or not path.is_dir()]
    assert len(aside) == 1


def test_two_restores_of_one_second_keep_both(workspace: Path) -> None:
    put(workspace, PRESET, b"new")
    content = saved(workspace)
    for mine in (b"one", b"two"):
        put(workspace, PRESET, mine)
        restore(workspace, content).restore()
    kept = {path.read_bytes() for path in (workspace / "state/.replaced").rglob("one.json")}
    assert kept == {b"one", b"two"}


# -- killed, full, at the same time


class Killed(BaseException):
    """As kill -9 would: nothing is put in order."""


def end_before(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """End before the step `at` of those that change the disk, and do none after it."""
    left = [at]

    def counted(name: str) -> None:
        original = getattr(os, name)

        def call(*arguments: object, **words: object) -> object:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return original(*arguments, **words)

        monkeypatch.setattr(os, name, call)

    for name in ("link", "mkdir", "rename", "unlink", "rmdir", "write"):
        counted(name)


def test_killed_at_any_step_the_next_one_completes_it(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(workspace, PRESET, b"new")
    put(workspace, "out/a.mp4", b"video")
    (workspace / "state/visomaster/jobs").mkdir()
    content = saved(workspace)
    whole = contents(workspace)
    at, done = 0, False
    while not done:
        assert at < 60
        for name in ("state", "out"):
            shutil.rmtree(workspace / name)
            (workspace / name).mkdir()
        put(workspace, PRESET, b"mine")
        put(workspace, "state/visomaster/jobs", b"mine too")
        with monkeypatch.context() as patch:
            end_before(patch, at)
            try:
                restore(workspace, content).restore()
                done = True
            except Killed:
                pass
        there = {path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
        assert {b"mine", b"mine too"} <= there, at
        restore(workspace, content).restore()
        found = contents(workspace)
        assert {path: digest for path, digest in found.items() if "/.replaced/" not in path} == whole, at
        there = {path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
        assert {b"mine", b"mine too"} <= there, at
        at += 1
    assert at > 15


def test_a_disk_too_full_is_told_before(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(workspace, PRESET, b"new")
    content = saved(workspace)
    (workspace / PRESET).unlink()
    monkeypatch.setattr(restoring, "space", lambda folder: Space(free=100_000, total=2_000_000))
    with pytest.raises(Refused, match=r"state: needs 100003 bytes, 100000 are free") as refused:
        restore(workspace, content).restore()
    assert refused.value.status == 507 and set(refused.value.more) == {"needed", "free"}
    assert not (workspace / "state" / restoring.BESIDE).exists()


def test_a_disk_that_is_full_in_the_middle_changes_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(workspace, PRESET, b"new")
    content = saved(workspace)
    put(workspace, PRESET, b"mine")
    before = contents(workspace)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        restore(workspace, content).restore()
    monkeypatch.undo()
    assert contents(workspace) == before


def test_one_at_a_time(workspace: Path) -> None:
    put(workspace, PRESET, b"new")
    content = saved(workspace)
    first, second = restore(workspace, content), restore(workspace, content)
    with first._alone(), pytest.raises(Refused, match="another zip is being brought back"):
        second.restore()
    assert second.restore() == 0


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


# -- saving


def test_engines_hidden_names_and_results_only_where_they_are_wanted(workspace: Path) -> None:
    put(workspace, PRESET)
    put(workspace, "state/visomaster/tensorrt-engines/card/x.trt")
    put(workspace, "state/fusion/jobs/tensorrt-engines/x.trt")
    put(workspace, "state/.replaced/then/x")
    put(workspace, "out/a.mp4")
    put(workspace, "in/b.mp4")

    def names(**wanted: bool) -> set[str]:
        return set(zipfile.ZipFile(io.BytesIO(saved(workspace, wanted_of(**wanted)))).namelist()) - {manifest.NAME}

    state = {PRESET, "state/fusion/jobs/tensorrt-engines/x.trt"}
    assert names() == state
    assert names(out=True) == {*state, "out/a.mp4"}
    assert names(engines=True) == {*state, "state/visomaster/tensorrt-engines/card/x.trt"}


def wanted_of(**wanted: bool) -> Wanted:
    return Wanted(application="visomaster", commit="c0ffee", **wanted)


def test_what_cannot_be_taken_is_a_line(workspace: Path) -> None:
    put(workspace, PRESET)
    put(workspace, "out/now.mp4", age=0)
    (workspace / "state/visomaster/link").symlink_to("/etc/passwd")
    os.mkfifo(workspace / "state/visomaster/fifo")
    put(workspace, "state/visomaster/a\nb")
    with (workspace / "state/visomaster" / os.fsdecode(b"\xff")).open("w"):
        pass
    tree = Tree(workspace)
    found = look(tree, WANTED)
    assert [file.path for file in found.files] == [PRESET]
    said = "\n".join(found.left)
    assert len(found.left) == 5
    for told in ("fifo: is a link or no file", "link: is a link", "now.mp4: is being written", "no control", "UTF-8"):
        assert told in said
    assert restore(workspace, saved(workspace)).manifest.left_out == tuple(found.left)


class Rewound(io.BytesIO):
    """A file that can be gone back in, as the command writes it."""

    def again(self, offset: int) -> None:
        self.seek(offset)
        self.truncate()


@pytest.mark.parametrize("times", [1, 9])
def test_a_file_that_changes_meanwhile(workspace: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """It is taken again, or left out with a line; a length that was told is never kept with something else."""
    file = put(workspace, PRESET, b"before")
    put(workspace, "state/visomaster/other")
    left = [times]
    tree = Tree(workspace)
    archive = Archive(tree, found := look(tree, WANTED), WANTED)
    fstat = os.fstat

    def grows(descriptor: int) -> os.stat_result:
        if left[0] and Path(f"/proc/self/fd/{descriptor}").readlink() == file:
            left[0] -= 1
            file.write_bytes(b"after" * (10 - left[0]))
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", grows)
    sink = Rewound()
    archive.stream(sink.write, sink.again)
    monkeypatch.undo()
    with zipfile.ZipFile(sink) as zipped:
        assert zipped.testzip() is None
        names = set(zipped.namelist())
    assert (PRESET in names) is (times == 1)
    assert [line.partition(":")[0] for line in found.left] == ([] if times == 1 else [PRESET])
    assert set(restore(workspace, sink.getvalue()).manifest.files) == names - {manifest.NAME}


@pytest.mark.parametrize("change", ["shorter", "longer", "other", "gone", "link"])
def test_a_length_that_was_told_is_kept_or_the_zip_ends(workspace: Path, change: str) -> None:
    file = put(workspace, PRESET, b"before")
    tree = Tree(workspace)
    archive = Archive(tree, look(tree, WANTED), WANTED)
    if change in ("gone", "link"):
        file.unlink()
        if change == "link":
            file.symlink_to("/etc/passwd")
    else:
        file.write_bytes({"shorter": b"x", "longer": b"longer than before", "other": b"behind"}[change])
    with pytest.raises(Changed, match=PRESET):
        archive.stream(io.BytesIO().write)


def test_files_beyond_4_gib(tmp_path: Path) -> None:
    """What is written is read by others, and by us; its zeros take no room here."""
    size, writer = 5 * 2**30, Writer()
    with (tmp_path / "large.zip").open("w+b") as file:
        file.write(writer.begin("state/visomaster/large", size, 0))
        file.seek(size, os.SEEK_CUR)
        file.write(writer.end(7))
        file.write(writer.begin("state/visomaster/small", 1, 1_700_000_000) + b"x" + writer.end(zlib.crc32(b"x")))
        file.write(writer.finish())
        assert file.tell() == writer.offset
        with zipfile.ZipFile(file) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            assert archive.read("state/visomaster/small") == b"x"
        zipped = Zip(file.fileno())
        assert {path: entry.size for path, entry in zipped.entries.items()} == sizes
        assert sizes == {"state/visomaster/large": size, "state/visomaster/small": 1}
        assert b"".join(zipped.chunks(zipped.entries["state/visomaster/small"])) == b"x"


def test_more_files_than_two_bytes_count(tmp_path: Path) -> None:
    writer, count = Writer(), 66_000
    with (tmp_path / "many.zip").open("w+b") as file:
        for number in range(count):
            file.write(writer.begin(f"out/{number}", 0, 0) + writer.end(0))
        file.write(writer.finish())
        file.flush()
        assert len(zipfile.ZipFile(file).namelist()) == len(Zip(file.fileno()).entries) == count


def test_the_document_says_what_is_in_the_zip(workspace: Path) -> None:
    put(workspace, PRESET, b"x")
    with zipfile.ZipFile(io.BytesIO(saved(workspace))) as archive:
        said = json.loads(archive.read(manifest.NAME))
    assert (said["format"], said["application"], said["commit"]) == (1, "visomaster", "c0ffee")
    assert said["files"][PRESET]["sha256"] == hashlib.sha256(b"x").hexdigest()
