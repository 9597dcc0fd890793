"""Profiles: the project's own are sound, a malformed one is refused in one line that names the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from locks import requirement_sets
from spec import application, requirements
from spec.application import known_applications, load_application
from spec.program import FolderSource, GitSource
from spec.settings import read_settings

GOOD = """
title = "Own"
manifest = "models.json"
system = ["libgl1"]
[source]
git = "https://example.org/own.git"
commit = "0123456789abcdef0123456789abcdef01234567"
[environment]
python = "3.11"
channels = ["conda-forge"]
specs = ["pip"]
[accelerators.cpu]
requirements = ["own.txt"]
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A sound profile of a user's own, with the files it names."""
    (tmp_path / "models.json").write_text('{"schema": 1, "files": []}')
    (tmp_path / "own.txt").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    profile = tmp_path / "own.toml"
    profile.write_text(GOOD)
    return profile


def test_there_are_three_profiles() -> None:
    assert known_applications() == ("fusion", "sandbox", "visomaster")


@pytest.mark.parametrize("name", ["fusion", "sandbox", "visomaster"])
def test_our_profiles_are_sound(name: str) -> None:
    """Every accelerator of each, with every file it names."""
    for accelerator in load_application(name).accelerators:
        settings = read_settings({"application": name, "accelerator": accelerator.name, "unhashed": "yes"})
        assert isinstance(settings.application.source, GitSource)


@pytest.mark.parametrize("name", ["fusion", "sandbox", "visomaster"])
def test_the_default_of_our_profiles_is_one_index_with_hashes(name: str) -> None:
    """Nobody has to trust more than one index, and that one not with what a package holds."""
    settings = read_settings({"application": name})
    assert {one.index for one in settings.accelerator.requirements} == {"default"}


def test_every_set_is_locked_from_a_file_beside_it() -> None:
    """And says nothing else than that file does: `make lock` could not have forgotten a package."""
    for name in known_applications():
        for one in requirement_sets.sets_of(load_application(name)):
            locked = {wanted.name for wanted in requirements.parse(one.out.read_text(), one.out.name)}
            assert set(requirement_sets.named(one.source)) - locked == set(), one.out.name


def test_a_profile_of_the_users_own(own: Path) -> None:
    loaded = read_settings({"application": str(own)}).application
    assert (loaded.name, loaded.title, loaded.environment.all_specs) == ("own", "Own", ("python 3.11.*", "pip"))


def test_a_program_in_the_folder_replaces_the_source(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's promise: who puts a main.py into VisoMaster/ gets that program."""
    (own.parent / "main.py").touch()
    monkeypatch.setattr(application, "PROFILES", own.parent)
    source = load_application("own").source
    assert isinstance(source, FolderSource)
    assert source.path == own.parent and "own.toml" in source.exclude


MALFORMED = [
    ('title = "Own"', "", r"own.toml: title must be a non-empty string, got None"),
    ('title = "Own"', "title = 7", r"own.toml: title must be a non-empty string, got 7"),
    ('title = "Own"', 'title = "Own"\ntitel = 1', r"own.toml: unknown field 'titel', expected one of: title,"),
    ("0123456789abcdef0123456789abcdef01234567", "main", r"own.toml: source: commit must be 40 hexadecimal digits"),
    ("0123456789abcdef0123456789abcdef01234567", "0123456789ABCDEF" * 2, r"commit must be 40 hexadecimal digits"),
    ("https://example.org/own.git", "own.git", r"own.toml: source: git: expected a URL beginning with"),
    ('channels = ["conda-forge"]', "channels = []", r"environment: channels must name at least one"),
    ('channels = ["conda-forge"]', 'channels = "conda-forge"', r"environment: channels must be a list of strings"),
    ("[accelerators.cpu]", "[accelerators.cpu]\nrequirement = []", r"accelerators.cpu: unknown field 'requirement'"),
    ('[accelerators.cpu]\nrequirements = ["own.txt"]', "", r"\[accelerators\] must be a table, got None"),
    ('requirements = ["own.txt"]', 'requirements = ["gone.txt"]', r"requirements names .*gone.txt, which is no file"),
    ('manifest = "models.json"', 'manifest = "gone.json"', r"manifest names .*gone.json, which is no file"),
    (
        '["own.txt"]',
        '[{ file = "own.txt", indx = "x" }]',
        r"cpu: requirements: unknown field 'indx', expected one of: file,",
    ),
    (
        '["own.txt"]',
        '[{ file = "own.txt", index = "pypi" }]',
        r"cpu: requirements: index: expected a URL beginning with",
    ),
    ('["own.txt"]', '[{ index = "default" }]', r"cpu: requirements: file must be a non-empty string, got None"),
    ('["own.txt"]', '"own.txt"', r"cpu: requirements must be a list of files or tables, got 'own.txt'"),
    ('["own.txt"]', "[7]", r"cpu: requirements: file must be a non-empty string, got 7"),
    ('["own.txt"]', '[{ file = "own.txt", build = ["a b"] }]', r"cpu: requirements: build: expected the name of a"),
    ('["own.txt"]', '["own.txt"]\nindexes = ["https://i.invalid"]', r"cpu: indexes are no field, expected each set"),
    ("[source]", "[source", r"own.toml: not a TOML file"),
    ('git = "https://example.org/own.git"', 'folder = "x"', r"source: folder stands alone"),
]


@pytest.mark.parametrize(("old", "new", "expected"), MALFORMED)
def test_a_malformed_profile_is_refused(own: Path, old: str, new: str, expected: str) -> None:
    own.write_text(GOOD.replace(old, new))
    with pytest.raises(ValueError, match=expected) as refused:
        read_settings({"application": str(own)})
    assert "\n" not in str(refused.value)


def test_a_set_without_hashes_needs_a_persons_word(own: Path) -> None:
    """Whoever answers for its index would decide what runs as root. One package without is enough."""
    with (own.parent / "own.txt").open("a") as file:
        file.write("tqdm==4.70.1\n")
    with pytest.raises(ValueError) as refused:
        read_settings({"application": str(own)})
    assert str(refused.value) == (
        "accelerator: cpu: own.txt has no hash for tqdm==4.70.1, expected a locked set: run `make lock APP=own` where"
        " its index can be reached, or say unhashed=yes to trust it"
    )
    assert read_settings({"application": str(own), "unhashed": "yes"}).accelerator.name == "cpu"
    assert read_settings({"application": str(own), "layers": "system"}).accelerator.name == "cpu"
