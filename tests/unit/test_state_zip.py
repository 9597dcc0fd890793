"""What is taken home comes back, whatever happens meanwhile."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from visomaster_host.kept_entry import GPU, Kept
from visomaster_host.workspace import stored_zip
from visomaster_host.workspace.exchange import Refused
from visomaster_host.workspace.home import manifest, reader, restoring
from visomaster_host.workspace.home.saving import Archive, Changed, Wanted, look, take
from visomaster_host.workspace.space import Space
from visomaster_host.workspace.tree import Tree

from tests.unit.state_zips import PRESET, WANTED, contents, put, restore, saved, workspace_in
from tests.unit.test_host_facts import host


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return workspace_in(tmp_path)


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


@settings(max_examples=40)
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
    assert len(wanted.restore().work) == len(wanted.manifest.files)
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
    assert wanted.restore().work == [PRESET]
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
    assert wanted.restore().work == [PRESET]
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


def test_a_file_is_on_the_disk_before_it_has_its_name(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it replaces has its other name before: in whatever moment the power goes, one of them is there."""
    put(workspace, PRESET, b"new")
    content = saved(workspace)
    put(workspace, PRESET, b"mine")
    done: list[str] = []
    rename, link = os.rename, os.link

    def synced(descriptor: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")

    def renamed(old: str, new: str, **where: int) -> None:
        done.append(f"rename {new}")
        rename(old, new, **where)

    def linked(old: str, new: str, **where: int) -> None:
        done.append(f"link {new}")
        link(old, new, **where)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "link", linked)
    restore(workspace, content).restore()
    assert done == ["sync 0", "link one.json", "sync presets", "rename one.json", "sync presets"]


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
    assert second.restore().work == []


# -- saving


def test_engines_hidden_names_and_results_only_where_they_are_wanted(workspace: Path) -> None:
    put(workspace, PRESET)
    put(workspace, "state/visomaster/tensorrt-engines/card/x.trt")
    put(workspace, "state/fusion/jobs/tensorrt-engines/x.trt")
    put(workspace, "state/visomaster/models/built/card/x")
    here = host(application="visomaster", state=(Kept(path="models/built", folder=True, by=GPU),))
    put(workspace, "state/.replaced/then/x")
    put(workspace, "out/a.mp4")
    put(workspace, "in/b.mp4")

    def names(**wanted: bool) -> set[str]:
        return set(zipfile.ZipFile(io.BytesIO(saved(workspace, Wanted.of(here, **wanted)))).namelist()) - {
            manifest.NAME
        }

    state = {PRESET, "state/fusion/jobs/tensorrt-engines/x.trt"}
    assert names() == state
    assert names(out=True) == {*state, "out/a.mp4"}
    assert names(engines=True) == {
        *state,
        "state/visomaster/tensorrt-engines/card/x.trt",
        "state/visomaster/models/built/card/x",
    }


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


@pytest.mark.parametrize("times", [1, 9])
def test_a_file_that_changes_meanwhile(workspace: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """It is taken again, or left out with a line; never is there something that is neither."""
    file = put(workspace, PRESET, b"before")
    put(workspace, "state/visomaster/other")
    left, fstat = [times], os.fstat

    def grows(descriptor: int) -> os.stat_result:
        if left[0] and Path(f"/proc/self/fd/{descriptor}").readlink() == file:
            left[0] -= 1
            file.write_bytes(b"after" * (10 - left[0]))
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", grows)
    sink = io.BytesIO()
    found = take(Tree(workspace), WANTED, sink.write, lambda: (sink.seek(0), sink.truncate()))
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
        archive.write(io.BytesIO().write)


def test_numbers_of_8_bytes_are_read(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of files beyond 4 GiB: here all beyond 5 bytes is written so."""
    put(workspace, PRESET, b"0123456789")
    put(workspace, "state/visomaster/small", b"x")
    monkeypatch.setattr(stored_zip, "_MOST_32", 5)
    monkeypatch.setattr(reader, "_FULL", 5)
    content = saved(workspace)
    assert b"PK\6\6" in content
    before = contents(workspace)
    shutil.rmtree(workspace / "state")
    assert len(restore(workspace, content).restore().work) == 2
    assert contents(workspace) == before


def test_the_document_says_what_is_in_the_zip(workspace: Path) -> None:
    put(workspace, PRESET, b"x")
    with zipfile.ZipFile(io.BytesIO(saved(workspace))) as archive:
        said = json.loads(archive.read(manifest.NAME))
    assert (said["format"], said["application"], said["commit"]) == (1, "visomaster", "c0ffee")
    assert said["files"][PRESET]["sha256"] == hashlib.sha256(b"x").hexdigest()
