"""A program of a person's own, in a folder: what of it is brought, what tells one state from another, and what of an
older copy goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.context import ctx_host
from visomaster_host import paths, users

from layers.stages import write
from operations import tree
from operations.facts.tree import CopiedFiles, FoundTree, RemoteFile, RemoteTree
from operations.tree import gone, listed
from spec import application
from spec.application import load_application
from spec.distribution import Release
from spec.here import ROOT
from spec.program import FolderSource
from spec.published import image_config
from spec.settings import read_settings
from spec.slices import host_facts
from spec.variant import VARIANTS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small program, with what tools and a person leave beside it."""
    top = tmp_path / "program"
    (top / "app").mkdir(parents=True)
    (top / "main.py").write_text("print(1)\n")
    (top / "app/run").write_text("#!/bin/sh\n")
    (top / ".git").mkdir()
    (top / ".git/HEAD").write_text("one")
    return top


def test_an_edit_is_another_state_and_a_look_is_none(folder: Path) -> None:
    """Content, modes and names count; times, and what is not brought, do not."""
    source = FolderSource(path=folder)
    seen = [source.shown()]
    os.utime(folder / "main.py", (1, 1))
    (folder / ".git/HEAD").write_text("two")
    (folder / "app/__pycache__").mkdir()
    (folder / "app/__pycache__/x.pyc").touch()
    (folder / "models").symlink_to("/usr")
    (folder / "nowhere").symlink_to("/nowhere/at/all")
    assert source.shown() == seen[0]
    for edit in (
        lambda: (folder / "main.py").write_text("print(2)\n"),
        lambda: (folder / "app/run").chmod(0o755),
        lambda: (folder / "app/run").rename(folder / "app/walk"),
        lambda: (folder / "link.py").symlink_to(folder / "main.py"),
        lambda: (folder / "link.py").unlink(),
    ):
        edit()
        seen.append(source.shown())
    assert all(before != after for before, after in pairwise(seen))
    assert seen[-1] == seen[-3], "what is as it was is the same state again"
    assert all(len(one) == len("local-") + 12 for one in seen)


def test_what_is_not_brought_is_said(folder: Path) -> None:
    """Links to folders, links that lead nowhere, what is no file; no links to files, nor what is left out."""
    source = FolderSource(path=folder, exclude=frozenset({"shots"}))
    (folder / "link.py").symlink_to("main.py")
    (folder / "shots").symlink_to("/usr")
    (folder / ".git/hooks").symlink_to("/usr")
    (folder / "presets").symlink_to("/usr")
    assert source.left_behind(("presets",)) is None
    (folder / "app/lib").symlink_to("../lib")
    (folder / "mod\x1b[2J").symlink_to("/usr")
    os.mkfifo(folder / "app/pipe")
    beginning = "not brought from program/: app/lib, app/pipe, mod\\x1b[2J"
    assert source.left_behind(("presets",)) == f"{beginning}: only files are, and links to files"
    for number in range(4):
        (folder / f"x{number}").symlink_to("/usr")
    assert source.left_behind(("presets",)) == f"{beginning}, x0, x1 and 2 more: only files are, and links to files"


def test_what_the_program_keeps_is_no_edit(folder: Path) -> None:
    """Who tries it here first has it write its settings."""
    source = FolderSource(path=folder)
    before = source.shown(("settings.json", "presets"))
    (folder / "presets").mkdir()
    (folder / "presets/mine.json").touch()
    (folder / "settings.json").touch()
    assert source.shown(("settings.json", "presets")) == before != source.shown()


def test_host_and_image_say_which_state_it_is(folder: Path) -> None:
    settings = read_settings({"application": "sandbox", "source": str(folder)})
    shown = FolderSource(path=folder).shown(settings.application.kept)
    assert host_facts(settings).commit == shown
    labels = image_config(VARIANTS["alt"], settings.application, "visomaster", None).labels
    assert labels["org.visomaster.application.commit"] == shown


def test_a_file_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match=rf"^{folder}/app/run: Permission denied$"):
        FolderSource(path=folder).shown()


def test_what_was_copied_and_is_not_in_the_folder_any_more_goes() -> None:
    """Not what the program wrote by itself, nor a copied file that was changed on the host."""
    before = {"main.py": "aa", "old.py": "bb", "changed.json": "cc", "gone.py": "dd"}
    found = {
        name: RemoteFile(mode="644", owner="x:x", sha256=digest)
        for name, digest in {"main.py": "aa", "old.py": "bb", "changed.json": "c2", "written.json": "ee"}.items()
    }
    assert gone(before, {"main.py"}, found) == ["old.py"]


def test_what_is_listed_is_read(folder: Path) -> None:
    source = FolderSource(path=folder)
    (folder / "a  name with  spaces").touch()
    read = CopiedFiles().process(listed(source.files()).splitlines())
    assert read == {name: file.sha256 for name, file in source.files().items()}


def follow(folder: Path, fingerprint: str) -> list[Any]:
    """What is to be run on a host that has nothing yet."""
    facts = {FoundTree: RemoteTree(), CopiedFiles: {}}
    arguments = {"exclude": frozenset(), "kept": (), "dest": str(paths.PROGRAM), "user": users.DESKTOP}
    inner: Any = tree.followed
    with ctx_host.use(SimpleNamespace(get_fact=lambda fact, **_: facts[fact], noop=print)):
        return list(inner._inner(source=folder, fingerprint=fingerprint, listing=str(paths.PROGRAM_FILES), **arguments))


def refusals(commands: list[Any]) -> list[str]:
    """The lines with which these commands fail."""
    said: list[str] = []
    host = SimpleNamespace(log_styled=lambda line, **_: said.append(line))
    for command in commands:
        if command.__class__.__name__ == "FunctionCommand":
            command.function(None, host)
    return said


def test_a_folder_that_changes_while_the_run_goes_on_is_refused(folder: Path) -> None:
    """Else a host would say that it runs what it does not."""
    planned = FolderSource(path=folder).fingerprint()
    assert follow(folder, planned) and not refusals(follow(folder, planned))
    (folder / "main.py").write_text("print(2)\n")
    assert refusals(follow(folder, planned)) == [f"{folder}: it has changed since this run began: run it again"]


@pytest.fixture
def own() -> Iterator[Path]:
    """A program in this repository, which is all that a build sees."""
    top = ROOT / "tests/unit/.own-program"
    shutil.copytree(ROOT / "sandbox/application", top)
    yield top
    shutil.rmtree(top)


def test_a_second_build_takes_an_edit_up(own: Path, tmp_path: Path) -> None:
    """The layer of the program and those of the services are made from something else, all below from the same."""
    data = {"application": "sandbox", "source": str(own)}
    (own / "nowhere").symlink_to("/nowhere/at/all")
    (own / "models").symlink_to("/usr")
    left = write(tmp_path / "one", data, Release.BOOKWORM)
    assert left == f"not brought from {own.name}/: models, nowhere: only files are, and links to files"
    (own / "main.py").write_text("print(2)\n")
    write(tmp_path / "two", data, Release.BOOKWORM)
    differing = {
        path.relative_to(tmp_path / "two").parts[0]
        for path in (tmp_path / "two").rglob("*")
        if path.is_file() and path.read_bytes() != (tmp_path / "one" / path.relative_to(tmp_path / "two")).read_bytes()
    }
    assert differing == {"application", "services-default", "services-alt", "services-s-def"}


def test_a_program_in_the_guides_folder_has_a_state_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles and what lies beside them are not part of it."""
    shutil.copytree(ROOT / "VisoMaster", folder, dirs_exist_ok=True)
    monkeypatch.setattr(application, "PROFILES", folder)
    loaded = load_application("sandbox")
    assert isinstance(loaded.source, FolderSource)
    assert set(loaded.source.files()) == {"main.py", "app/run"}
    before = loaded.commit
    (folder / "main.py").write_text("print(2)\n")
    assert load_application("sandbox").commit != before
