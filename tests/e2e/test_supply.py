"""Where Python packages come from, with the real uv against indexes of this machine's loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from locks import __main__ as lock
from locks import requirement_sets
from locks.requirement_sets import LockError, SetToLock
from operations import remote
from operations.remote import conda_environment, uv_environment, uv_requirements, uv_settings, uv_venv
from operations.remote.conda_rattler import provide_rattler
from operations.remote.conda_request import Request
from spec import requirements
from spec.application import load_application
from spec.environment import RequirementSet
from spec.layer import Layer
from spec.settings import read_settings
from tests.e2e.fake_index import Index, index, source, wheel
from tests.e2e.hostile_settings import hostile_box

BIN = Path(sys.executable).parent
BOX = "PIP_", "UV_"
"""What the variables begin with by which this machine itself says where packages come from."""


@pytest.fixture
def ours() -> Iterator[Index]:
    with index() as served:
        yield served


@pytest.fixture
def other() -> Iterator[Index]:
    with index() as served:
        yield served


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Python of an environment of the test's own, without pip, on a box that says nothing of its packages and has
    uv."""
    for name in list(os.environ):
        if name.startswith(BOX):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")  # not this machine's: a test sets a box's own
    monkeypatch.setattr(uv_requirements, "bring_uv", lambda *_: BIN / "uv")
    venv.create(tmp_path / "environment", with_pip=False)
    return str(tmp_path / "environment/bin/python")


def install(python: str, where: str, text: str, *build: str) -> int:
    """Install a requirement set as an operation does."""
    wanted = requirements.merge([requirements.Text(name="set.txt", text=text, index=where, build=build)])
    return run(python, wanted)


def run(python: str, wanted: list[requirements.Wanted]) -> int:
    """Have the program for the target install what is wanted."""
    batches = [asdict(batch) for batch in requirements.batches(wanted, wanted)]
    return uv_requirements.run({"python": python, "batches": batches, "uv": "", "index": "default"})


def said(python: str, name: str = "thing") -> str:
    """What the installed package says it is."""
    command = [python, "-I", "-c", f"import {name}; print({name}.SAYS)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def box_says(where: str, index: Index, python: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the box name another index the way `where` says."""
    text = f"[global]\nextra-index-url = {index.url}\nfind-links = {index.url}/thing/\n"
    links = f"{index.url}/thing/"
    match where:
        case "variables":
            for name, value in {"EXTRA_INDEX_URL": index.url, "FIND_LINKS": links, "INDEX": index.url}.items():
                monkeypatch.setenv(f"PIP_{name}", value)
                monkeypatch.setenv(f"UV_{name}", value)
        case "a file of uv's":
            (folder / "home/.config/uv").mkdir(parents=True)
            (folder / "uv.toml").write_text(f'extra-index-url = ["{index.url}"]\nfind-links = ["{links}"]\n')
            (folder / "home/.config/uv/uv.toml").write_text((folder / "uv.toml").read_text())
            monkeypatch.setenv("UV_CONFIG_FILE", str(folder / "uv.toml"))
        case "a file of a variable":
            (folder / "pip.conf").write_text(text)
            monkeypatch.setenv("PIP_CONFIG_FILE", str(folder / "pip.conf"))
        case "the environment's own file":
            monkeypatch.delenv("PIP_CONFIG_FILE")
            Path(python).parent.with_name("pip.conf").write_text(text)
        case "the user's file":
            monkeypatch.delenv("PIP_CONFIG_FILE")
            (folder / "home/.config/pip").mkdir(parents=True)
            (folder / "home/.config/pip/pip.conf").write_text(text)


WAYS = ("variables", "a file of uv's", "a file of a variable", "the environment's own file", "the user's file")


@pytest.mark.parametrize(("where", "locked"), [(WAYS[0], True), *((way, False) for way in WAYS)])
def test_only_the_named_index_is_asked(
    where: str, locked: bool, python: str, ours: Index, other: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Dependency confusion: another index has a package of that name, of that version and of a newer one."""
    digest = ours.add("thing", wheel("thing", "1.0", "ours"))
    for version in ("1.0", "9.0"):
        other.add("thing", wheel("thing", version, "theirs"))
    box_says(where, other, python, monkeypatch, tmp_path)
    assert install(python, ours.url, f"thing==1.0 --hash={digest}" if locked else "thing") == 0
    assert (said(python), other.asked) == ("ours", [])


def test_a_box_does_not_say_what_a_package_is(
    python: str, ours: Index, other: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A constraint may name an address, and the package is taken from there."""
    ours.add("thing", wheel("thing", "1.0", "ours"))
    name, data = wheel("thing", "1.0", "theirs")
    other.add("thing", (name, data))
    (tmp_path / "constraints.txt").write_text(f"thing @ {other.url.removesuffix('/simple')}/files/thing/{name}\n")
    for name in ("PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE"):
        monkeypatch.setenv(name, str(tmp_path / "constraints.txt"))
    assert install(python, ours.url, "thing==1.0") == 0
    assert (said(python), other.asked) == ("ours", [])


@pytest.mark.parametrize("where", ["variables", "the user's file", "the environment's own file"])
def test_a_box_says_its_index_and_nothing_else(
    where: str, python: str, ours: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`ENV UV_DRY_RUN` in a base image: uv would end well, and nothing would be where it is looked for."""
    digest = ours.add("thing", wheel("thing", "1.0", "ours"))
    before = sorted(tmp_path.iterdir())
    hostile_box(where, ours, tmp_path, python, monkeypatch)
    assert install(python, "default", f"thing==1.0 --hash={digest}") == 0
    monkeypatch.undo()
    assert said(python) == "ours"
    new = {path.name for path in tmp_path.iterdir()} - {path.name for path in before}
    assert new <= {"modules", "home"}, "nothing else was made"


def test_what_a_build_needs_for_itself_is_made_alike_each_time(
    python: str, ours: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Image layers are made with it: another byte would have all of them made again. No pip is in it, and what the base
    image says of one is not heard."""
    monkeypatch.setattr(uv_venv, "bring_uv", lambda *_: BIN / "uv")
    monkeypatch.setenv("PIP_INDEX_URL", ours.url)
    monkeypatch.setenv("UV_DRY_RUN", "1")
    (tmp_path / "set.txt").write_text(f"thing==1.0 --hash={ours.add('thing', wheel('thing', '1.0', 'ours'))}\n")
    folder, made = tmp_path / "playbook/venv", []
    for _ in range(2):
        folder.parent.mkdir()
        assert uv_venv.make(folder, tmp_path / "set.txt", "") == ""
        assert [path.name for path in folder.parent.iterdir()] == ["venv"]
        assert said(f"{folder}/bin/python") == "ours"
        made.append({path: path.read_bytes() for path in folder.rglob("*") if path.is_file()})
        shutil.rmtree(folder.parent)
    assert made[0] == made[1] and any(path.suffix == ".pyc" for path in made[0])
    ours.packages.clear()
    folder.parent.mkdir()
    assert uv_venv.make(folder, tmp_path / "set.txt", "") == "thing: its index has no such package"


def test_a_part_touches_nothing_of_the_one_below(python: str, ours: Index) -> None:
    """Each part of an environment is an image layer: a file that a later one writes again would be there twice."""
    locked = {name: f"{name}==1.0 --hash={ours.add(name, wheel(name, '1.0', name))}" for name in ("cuda", "small")}
    text = requirements.Text(name="set.txt", text="\n".join(locked.values()), index=ours.url)
    assert install(python, ours.url, locked["cuda"]) == 0
    prefix = Path(python).parent.parent

    def files() -> dict[Path, tuple[int, ...]]:
        found = {path: path.lstat() for path in prefix.rglob("*") if path.is_symlink() or not path.is_dir()}
        return {path: (one.st_ino, one.st_mtime_ns, one.st_ctime_ns) for path, one in found.items()}

    below = files()
    assert said(python, "cuda") == "cuda" and any("cuda" in path.name and path.suffix == ".pyc" for path in below)
    wanted = requirements.merge([text])
    missing = [one for one in wanted if one.name == "small"]
    batches = [asdict(batch) for batch in requirements.batches(wanted, missing)]
    assert uv_requirements.run({"python": python, "batches": batches, "uv": "", "index": "default"}) == 0
    assert said(python, "small") == "small"
    assert {path: found for path, found in files().items() if path in below} == below


def test_each_set_asks_its_own_index(python: str, ours: Index, other: Index) -> None:
    digests = ours.add("thing", wheel("thing", "1.0", "ours")), other.add("torch", wheel("torch", "2.0", "theirs"))
    sets = [
        requirements.Text(name="main.txt", text=f"thing==1.0 --hash={digests[0]}", index=ours.url),
        requirements.Text(name="torch.txt", text=f"torch==2.0 --hash={digests[1]}", index=other.url),
    ]
    wanted = requirements.merge(sets)
    assert run(python, wanted) == 0
    assert [{path.split("/")[2] for path in one.asked} for one in (ours, other)] == [{"thing"}, {"torch"}]


@pytest.mark.parametrize("where", ["a variable", "a file"])
def test_the_main_index_may_be_the_boxs_own(
    where: str, python: str, ours: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a data centre the one mirror that is reached stands in the box's pip.conf."""
    digest = ours.add("thing", wheel("thing", "1.0", "ours"))
    if where == "a variable":
        monkeypatch.setenv("PIP_INDEX_URL", ours.url)
    else:
        (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {ours.url}\n[install]\ntrusted-host = 127.0.0.1\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert install(python, "default", f"thing==1.0 --hash={digest}") == 0
    assert said(python) == "ours"


def test_how_an_index_is_reached_stays_the_boxs(python: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Proxy and certificates, the stronger word last; what names an index goes with the main one alone."""
    (tmp_path / "pip.conf").write_text(
        "[global]\ncert = /file.pem\nproxy = http://file\ntrusted-host = a\n    b\n[install]\nproxy = http://install\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_CERT", "/variable.pem")
    monkeypatch.setenv("PIP_NO_DEPS", "1")

    monkeypatch.setenv("PIP_TIMEOUT", "7.5")

    def told(index: str) -> dict[str, str]:
        said = uv_settings.configured(Path(python).parent.parent)
        environment = uv_environment.uv_environment(index, said, tmp_path)
        names = ("SSL_CERT_FILE", "HTTPS_PROXY", "UV_HTTP_TIMEOUT", "UV_DEFAULT_INDEX", "UV_INSECURE_HOST")
        return {name: environment[name] for name in names if name in environment}

    reached = {"SSL_CERT_FILE": "/variable.pem", "HTTPS_PROXY": "http://install", "UV_HTTP_TIMEOUT": "8"}
    assert told("https://i.invalid/simple") == {**reached, "UV_DEFAULT_INDEX": "https://i.invalid/simple"}
    own = {"UV_DEFAULT_INDEX": "https://pypi.org/simple", "UV_INSECURE_HOST": "a b"}
    assert told("default") == {**reached, **own}


def evil(ran: Path) -> tuple[str, bytes]:
    """A source that makes the file `ran` as soon as uv looks at it, and needs nothing else for that."""
    built_with = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    return source("thing", "1", pyproject_toml=built_with, backend_py=f"open({str(ran)!r}, 'w').close()\n")


@pytest.mark.parametrize("hashed", [True, False])
def test_source_is_refused_before_it_runs(
    hashed: bool, python: str, ours: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its setup.py is a program that root would run, and brings more from wherever it likes."""
    ran = tmp_path / "ran"
    digest = ours.add("thing", evil(ran))
    assert install(python, ours.url, f"thing==1 --hash={digest}" if hashed else "thing==1") == 1
    assert not ran.exists()
    expected = "packages: thing==1: its index has no wheel for this Python\n"
    assert capsys.readouterr().err == expected


def test_what_is_named_is_built_with_what_is_installed(python: str, ours: Index, tmp_path: Path) -> None:
    """An index does not choose the program that builds: with build isolation uv would fetch it, without a hash."""
    built_with = '[build-system]\nrequires = ["builder"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    name, made = wheel("thing", "1", "built")
    backend = (
        "import shutil\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        f"    return shutil.copy('made.whl', f'{{folder}}/{name}').rpartition('/')[2]\n"
    )
    archive = source("thing", "1", pyproject_toml=built_with, backend_py=backend, made_whl=made)
    digest = ours.add("thing", archive)
    assert install(python, ours.url, f"thing==1 --hash={digest}", "thing") == 0
    assert said(python) == "built"
    assert {path.split("/")[2] for path in ours.asked} == {"thing"}


def test_another_archive_than_the_locked_one_is_refused(
    python: str, ours: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    ours.add("thing", wheel("thing", "1.0", "other bytes"))
    assert install(python, ours.url, f"thing==1.0 --hash=sha256:{'0' * 64}") == 1
    assert capsys.readouterr().err == "packages: thing==1.0: its sha256 is not the one in the requirement set\n"


def test_the_installer_of_conda_packages_comes_from_one_index_too(
    python: str, ours: Index, other: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = ours.add("thing", wheel("thing", "1.0", "ours"))
    box_says("variables", other, python, monkeypatch, tmp_path)
    request = Request.of(
        {"prefix": None, "lock_path": str(tmp_path / "lock"), "specs": [], "channels": [], "mirrors": {}, "lock": None}
        | {"platform": "linux-64", "requirements": f"thing==1.0 --hash={digest}\n", "index": ours.url}
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    with conda_environment.work_directory(request) as work:
        provide_rattler(request, work)
    assert ours.asked and other.asked == []


def test_a_program_brings_the_modules_it_uses() -> None:
    """As pyinfra runs it: the system's python3 has none of this repository."""
    job = remote.job("uv_requirements", {"python": "/nowhere/python"})
    command = job.command.get_raw_value()  # type: ignore[attr-defined]
    done = subprocess.run(
        command,
        input=job.stdin,
        shell=True,
        text=True,
        capture_output=True,
        check=False,
        cwd="/",  # type: ignore[attr-defined]
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No such file or directory: '/nowhere/python'" in done.stderr


def to_lock(folder: Path, text: str, index: str, *build: str, elsewhere: frozenset[str] = frozenset()) -> SetToLock:
    (folder / "set.in").write_text(text)
    wanted = RequirementSet(file=folder / "set.txt", index=index, build=build)
    return SetToLock(wanted=wanted, python="3.11", elsewhere=elsewhere)


def test_a_set_is_locked_by_its_own_index(
    tmp_path: Path, ours: Index, other: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it depends on, short of what another set brings; the machine's other indexes are not asked."""
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, other.url)
    monkeypatch.setenv("UV_FIND_LINKS", f"{other.url}/thing/")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    other.add("thing", wheel("thing", "9.0"))
    digests = [
        ours.add("thing", wheel("thing", "1.0", needs=("part", "torch"))),
        ours.add("part", wheel("part", "2.0")),
    ]
    requirement_sets.lock(to_lock(tmp_path, "thing\n", ours.url, elsewhere=frozenset({"torch"})), {})
    locked = requirements.parse((tmp_path / "set.txt").read_text(), "set.txt")
    found = {(str(one.requirement), one.hashes) for one in locked}
    assert found == {("thing==1.0", (digests[0],)), ("part==2.0", (digests[1],))}
    assert other.asked == []


def test_an_index_that_cannot_be_reached_is_said_and_the_old_lock_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setattr(requirement_sets, "_KEPT", (*requirement_sets._KEPT, "UV_HTTP_RETRIES"))
    (tmp_path / "set.txt").write_text("thing==0.9\n")
    with pytest.raises(LockError) as refused:
        requirement_sets.lock(to_lock(tmp_path, "thing\n", "http://127.0.0.1:9/simple"), {})
    expected = "set.txt: http://127.0.0.1:9/simple cannot be reached from here; the old file is kept"
    assert (str(refused.value), (tmp_path / "set.txt").read_text()) == (expected, "thing==0.9\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.in", "set.txt"]


def test_a_package_without_a_wheel_is_not_locked_unless_the_profile_says_so(
    tmp_path: Path, ours: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    ran = tmp_path / "ran"
    ours.add("thing", evil(ran))
    with pytest.raises(LockError, match=r"^set\.txt: Because .*thing.* no .*wheels.*; the old file is kept$"):
        requirement_sets.lock(to_lock(tmp_path, "thing\n", ours.url), {})
    assert not ran.exists()


PROFILE = """
title = "Own"
manifest = "models.json"
system = []
[source]
git = "https://example.org/own.git"
commit = "0123456789abcdef0123456789abcdef01234567"
[environment]
python = "3.11"
channels = ["conda-forge"]
[accelerators.gpu]
requirements = ["main.txt", { file = "torch.txt", index = "https://torch.invalid/whl" }]
"""


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile of two sets from two indexes, none of them locked; `main` needs what `torch` brings."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    own = tmp_path / "profile"
    own.mkdir()
    (own / "own.toml").write_text(PROFILE)
    (own / "main.in").write_text("thing\n")
    (own / "torch.in").write_text("torch\n")
    return own


def test_make_lock_locks_what_it_can_and_says_what_it_cannot(
    profile: Path, ours: Index, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", ours.url)
    ours.add("thing", wheel("thing", "1.0", needs=("torch",)))
    ours.add("torch", wheel("torch", "0.1"))  # another one's: the set of that name comes from its own index
    nowhere = "https://torch.invalid=http://127.0.0.1:9"
    arguments = [str(profile / "own.toml"), "--sets", "main,torch", "--mirrors", nowhere]
    assert lock.main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == "locked main.txt\n"
    assert said.err == "lock: torch.txt: https://torch.invalid/whl cannot be reached from here; the old file is kept\n"
    assert [str(one.requirement) for one in requirements.parse((profile / "main.txt").read_text(), "")] == [
        "thing==1.0"
    ]


def test_the_sets_of_two_indexes_become_one_environment(
    profile: Path, python: str, ours: Index, other: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From `.in` to what is installed: each package from its own index, though both have it."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", ours.url)
    ours.add("thing", wheel("thing", "1.0", "ours", needs=("torch",)))
    ours.add("torch", wheel("torch", "9.0", "not theirs"))
    other.add("torch", wheel("torch", "2.0", "theirs", needs=("thing",)))
    other.add("thing", wheel("thing", "9.0", "not ours"))
    there = other.url.removesuffix("/simple")
    mirrors = {"https://torch.invalid/whl": f"{there}/simple"}
    assert lock.lock_sets(load_application(str(profile / "own.toml")), mirrors, ()) == 0
    settings = read_settings({"application": str(profile / "own.toml")}, default_layers=(Layer.ENVIRONMENT,))
    reached = {"default": ours.url, "https://torch.invalid/whl": other.url}
    for one in settings.accelerator.requirements:
        assert install(python, reached[one.index], one.file.read_text()) == 0
    assert (said(python), said(python, "torch")) == ("ours", "theirs")


def test_a_set_that_is_not_there_is_named(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lock.main([str(profile / "own.toml"), "--sets", "mian"]) == 1
    assert capsys.readouterr().err == "lock: sets: 'mian' is unknown, expected one of: main, torch\n"
    (profile / "torch.in").unlink()
    assert lock.main([str(profile / "own.toml"), "--sets", "main"]) == 1
    assert capsys.readouterr().err == "lock: torch.in: expected it beside torch.txt: it says what is locked\n"
