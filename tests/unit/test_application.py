"""Profiles: the project's own are sound, a malformed one is refused in one line that names the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from visomaster_host.kept_entry import Kept

from locks import requirement_sets
from spec import application, fields, requirements
from spec.application import known_applications, load_application
from spec.program import FolderSource, GitSource
from spec.settings import read_settings
from spec.slices import host_facts

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


def test_a_set_that_includes_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.in").write_bytes(b"\xef\xbb\xbf-r b.in\r\nsix\r\n")
    (tmp_path / "b.in").write_text("tqdm\n")
    assert list(requirement_sets.named(tmp_path / "a.in")) == ["tqdm", "six"]
    (tmp_path / "b.in").write_text("-r a.in\n")
    with pytest.raises(requirement_sets.LockError, match=r"^a\.in: includes itself, by b\.in$"):
        list(requirement_sets.named(tmp_path / "a.in"))


def test_a_profile_of_the_users_own(own: Path) -> None:
    loaded = read_settings({"application": str(own)}).application
    assert (loaded.name, loaded.title, loaded.environment.all_specs) == ("own", "Own", ("python 3.11.*", "pip"))


def test_what_a_program_keeps_is_read_and_told_to_the_host(own: Path) -> None:
    state = 'state = ["presets/", "a/last.json", { path = "engines", by = "gpu" }, { path = "s.json", seed = "{}" }]'
    own.write_text(GOOD.replace("[source]", f"{state}\n[source]"))
    assert host_facts(read_settings({"application": str(own)})).state == (
        Kept(path="presets", folder=True),
        Kept(path="a/last.json", folder=False),
        Kept(path="engines", folder=True, by="gpu"),
        Kept(path="s.json", folder=False, seed="{}"),
    )


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
    ("[source]", f"x = {'[' * 2000}\n[source]", r"own.toml: not a TOML file"),
    ('title = "Own"', 'title = "a\\u0007b"', r"own.toml: title becomes the image label .*title: expected one line"),
    ('"libgl1"', '"-o=x"', r"own.toml: system: expected the name of a package of Debian's, got '-o=x'"),
    ('"libgl1"', '"libgl1 "', r"own.toml: system: expected the name of a package of Debian's, got 'libgl1 '"),
    (
        'python = "3.11"',
        'python = "3.11.*"',
        r"environment: python: expected a version of Python's such as '3.11', got",
    ),
    ('python = "3.11"', "python = 3.11", r"environment: python must be a non-empty string, got 3.11"),
    ('specs = ["pip"]', 'specs = ["tool = = 1"]', r"environment: specs: expected a Conda match spec .*'tool = = 1'"),
    ('specs = ["pip"]', 'specs = ["numpy >="]', r"environment: specs: expected a Conda match spec .*'numpy >='"),
    ('specs = ["pip"]', 'specs = [""]', r"environment: specs must be a list of strings, got \[''\]"),
    ('"conda-forge"', '"conda forge"', r"environment: channels: expected a channel's name, an .*got 'conda forge'"),
    ('"conda-forge"', '"https://"', r"environment: channels: expected a URL beginning with .*got 'https://'"),
    ('requirements = ["own.txt"]', "", r"accelerators.cpu: requirements must be a list of files or tables, got None"),
    (
        'requirements = ["own.txt"]',
        'requirements = ["own.txt"]\ncuda_libraries = ["libcudart"]',
        r"cpu: cuda_libraries: expected a library's soname such as 'libcudart.so.12', got 'libcudart'",
    ),
    (
        "https://example.org/own.git",
        "https://example.org/o n",
        r"source: git: expected a URL .*'https://example.org/o n'",
    ),
    ("https://example.org/own.git", "https:///own.git", r"source: git: expected a URL .*'https:///own.git'"),
    ("https://example.org/own.git", "https://h:99999/x", r"source: git: expected a URL .*'https://h:99999/x'"),
    ("https://example.org/own.git", "https://h/\\u202e", r"source: git: expected a URL .*got"),
    ("https://example.org/own.git", "https://me:pw@h/x", r"source: git: expected a URL without user and password"),
    ("https://example.org/own.git", "https:/me:pw@h/x", r"source: git: expected a URL beginning .*'https:/…@h/x'"),
    ('manifest = "models.json"', 'manifest = "."', r"own: manifest: .*: is no file"),
    ("[source]", 'state = "presets"\n[source]', r"own.toml: state must be a list of paths or tables, got 'presets'"),
    ("[source]", "state = [7]\n[source]", r"own.toml: state: path must be a non-empty string, got 7"),
    ("[source]", 'state = ["/presets"]\n[source]', r"own.toml: state: expected a path below .*got '/presets'"),
    ("[source]", 'state = ["a/../../b"]\n[source]', r"own.toml: state: expected a path below .*got 'a/../../b'"),
    ("[source]", 'state = [".git/"]\n[source]', r"own.toml: state: expected a path below .*got '.git'"),
    ("[source]", 'state = ["a/", "a/b"]\n[source]', r"own.toml: state: expected each path once .*: a/b is within a"),
    ("[source]", 'state = ["a", "a/"]\n[source]', r"own.toml: state: expected each path once .*: a stands there twice"),
    (
        "[source]",
        'state = [{ path = "a", by = "cpu" }]\n[source]',
        r"own.toml: state: a: by must be .*got 'cpu'",
    ),
    ("[source]", 'state = [{ path = "a/", seed = "x" }]\n[source]', r"own.toml: state: a: seed must be the text .*'x'"),
    (
        "[source]",
        'state = [{ path = "a", sed = "x" }]\n[source]',
        r"own.toml: state: unknown field 'sed', expected",
    ),
    ('git = "https://example.org/own.git"', 'folder = "x"', r"source: folder stands alone"),
]


@pytest.mark.parametrize(("old", "new", "expected"), MALFORMED)
def test_a_malformed_profile_is_refused(own: Path, old: str, new: str, expected: str) -> None:
    own.write_text(GOOD.replace(old, new))
    with pytest.raises(ValueError, match=expected) as refused:
        read_settings({"application": str(own)})
    assert "\n" not in str(refused.value)
    assert "pw" not in str(refused.value)


SPECS = [
    *("pip", "python 3.10.*", "numpy>=1.8,<2", "numpy >=1.8,<2", "python=3.10", "a ~=1.2", "a !=1.2", "a (>=1,<2)|3"),
    *("conda-forge::numpy", "conda-forge/linux-64::numpy >=1.8[build='x*']", "pytorch[version='>=2']", "_openmp_mutex"),
    *("numpy=1.11.1=py310h_0", "numpy 1.11.1 py310_0", "blas=*=openblas", "libgcc-ng >=12,<13.0a0", "a ==1!2.0+x"),
]


@pytest.mark.parametrize("spec", SPECS)
def test_every_form_of_a_match_spec_is_one(spec: str) -> None:
    assert fields.match_spec(spec, "specs") == spec


HASHED = f"--hash=sha256:{'0' * 64}"
FILES = [
    ("models.json", "{", r"manifest: .*models.json: expected JSON: Expecting .* line 1 column 2"),
    ("models.json", "[" * 100_000, r"manifest: .*models.json: expected JSON: "),
    ("models.json", '{"schema": 1, "schema": 1}', r"manifest: .*models.json: expected JSON: 'schema' stands twice"),
    ("models.json", '{"schema": 2}', r"manifest: .*models.json: schema: expected 1"),
    (
        "models.json",
        '{"schema": 1, "files": [{"path": "model_assets/a", "url": "https://h/a b"}]}',
        r"manifest: .*models.json: files\[0\].url: expected an http\(s\) URL, got 'https://h/a b'",
    ),
    ("models.json", "", r"manifest: .*models.json: is empty"),
    ("own.txt", "", r"requirements: own.txt: is empty"),
    ("own.txt", f"six = 1 {HASHED}", r"requirements: own.txt: 'six = 1': "),
    ("own.txt", "six==1.17.0 --hash=sha256:abc", r"requirements: own.txt: six==1.17.0: expected --hash=sha256: and 64"),
    ("own.txt", "--index-url https://i.invalid", r"requirements: own.txt: .*expected a requirement, no option"),
    ("own.txt", f"a==1; os_name ~= 'x' {HASHED}", r"requirements: own.txt: a==1.*: its marker cannot be decided: "),
    ("own.txt", "a @ https://me:pw@h/a.whl", r"requirements: own.txt: .*no address"),
]


@pytest.mark.parametrize("unhashed", ["yes", "no"])
@pytest.mark.parametrize(("name", "text", "expected"), FILES)
def test_what_a_profile_names_is_read_with_it(own: Path, name: str, text: str, expected: str, unhashed: str) -> None:
    """In a deploy these would be found when half of a host is made."""
    (own.parent / name).write_text(text)
    with pytest.raises(ValueError, match=rf"^own: {expected}") as refused:
        read_settings({"application": str(own), "unhashed": unhashed})
    assert "\n" not in str(refused.value)
    assert "pw" not in str(refused.value)


def test_files_of_an_editor_of_windows_are_read(own: Path) -> None:
    for path in (own, own.with_name("models.json"), own.with_name("own.txt")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_settings({"application": str(own)}).application.title == "Own"


def test_sets_that_differ_are_refused_before_a_host_is_touched(own: Path) -> None:
    own.write_text(GOOD.replace('["own.txt"]', '["own.txt", "other.txt"]'))
    own.with_name("other.txt").write_text(f"six==1.16.0 {HASHED}\n")
    with pytest.raises(ValueError, match=r"^own: requirements: other.txt: six==1.16.0, but own.txt wants six==1.17.0$"):
        read_settings({"application": str(own)})


def test_a_program_that_could_not_be_copied_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are lines of what the host is asked, and a file that cannot be read would end the deploy half way."""
    folder = tmp_path / "program"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a\nb").touch()
    with pytest.raises(
        ValueError, match=r"^visomaster: source: .*/sub: expected names that are lines of text, got 'a\\nb'$"
    ):
        read_settings({"source": str(folder)})
    (folder / "sub/a\nb").rename(folder / "sub/ab")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ValueError, match=r"^visomaster: source: .*/sub/ab: Permission denied$"):
        read_settings({"source": str(folder)})


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
