"""Publishing: what is pushed is what passed the host tests, and nothing else can be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from release import image, runner
from release.image import Release, ReleaseError
from spec.variant import VARIANTS

COMMIT = "c" * 40
ID = "sha256:" + "1" * 64
DIGEST = "sha256:" + "d" * 64
ALT = Release(variant=VARIANTS["alt"], repository="someone/visomaster", commit=COMMIT)


class Engine:
    """A Docker engine that has one image, and the commands it was given."""

    def __init__(self) -> None:
        self.did: list[list[str]] = []
        self.revision = COMMIT
        self.digests = [DIGEST, DIGEST]
        self.tests = 0

    def docker(self, command: Sequence[str], **options: object) -> str:
        self.did.append(list(command))
        match list(command):
            case ["images", *_]:
                return f"{ID}\n"
            case ["image", "inspect", *_]:
                return f"{self.revision}\n"
            case ["run", *_]:
                return "container\n"
            case ["push", _]:
                return f"latest: digest: {self.digests.pop(0)} size: 1\n"
        return ""

    def words(self, first: str) -> list[list[str]]:
        return [command[1:] for command in self.did if command[0] == first]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(image, "VERIFIED", tmp_path / "verified")
    monkeypatch.setattr(image, "_docker", engine.docker)

    def run(command: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
        engine.did.append(["pytest", *command[command.index("tests/host") :]])
        return subprocess.CompletedProcess(command, engine.tests)

    monkeypatch.setattr(subprocess, "run", run)
    return engine


def test_what_passed_is_pushed_under_every_name_the_commits_first(engine: Engine) -> None:
    image.verify(ALT, "none")
    assert image.push(ALT) == f"someone/visomaster@{DIGEST}"
    names = [f"someone/visomaster:portal-{COMMIT}", "someone/visomaster:portal-latest"]
    assert engine.words("tag") == [[ID, name] for name in names]
    assert engine.words("push") == [[name] for name in names]


def test_the_tests_see_a_container_of_the_very_image(engine: Engine) -> None:
    image.verify(ALT, "none")
    assert engine.words("run")[0][-1] == ID
    assert engine.words("pytest") == [["tests/host", "-q", "--no-gpu", "--hosts=docker://container"]]
    assert engine.words("rm") == [["--force", "--volumes", "container"]]


def test_the_containers_of_a_machine_with_gpus_get_them(engine: Engine) -> None:
    image.verify(ALT, "all")
    assert "--gpus=all" in engine.words("run")[0]
    assert "--no-gpu" not in engine.words("pytest")[0]


def test_an_untested_image_is_not_pushed(engine: Engine) -> None:
    with pytest.raises(ReleaseError, match="alt: no image has passed the host tests, run `make verify-image`"):
        image.push(ALT)
    assert engine.words("push") == []


def test_an_image_that_fails_is_not_pushed_though_an_older_one_passed(engine: Engine) -> None:
    image.verify(ALT, "")
    engine.tests = 1
    with pytest.raises(ReleaseError, match="the host tests failed"):
        image.verify(ALT, "")
    assert len(engine.words("rm")) == 2
    with pytest.raises(ReleaseError, match="no image has passed"):
        image.push(ALT)


def test_an_image_of_another_commit_is_not_pushed(engine: Engine) -> None:
    """Its name would say a commit that it is not made from."""
    image.verify(ALT, "")
    engine.revision = "a" * 40
    with pytest.raises(ReleaseError, match=rf"is of commit {'a' * 40}, expected {COMMIT}"):
        image.push(ALT)
    assert engine.words("push") == []


def test_a_name_without_an_account_is_refused(engine: Engine) -> None:
    """It would be Docker's own library."""
    nameless = Release(variant=VARIANTS["alt"], repository="visomaster", commit=COMMIT)
    image.verify(nameless, "")
    with pytest.raises(ReleaseError, match="repository: expected NAME/visomaster, as on Docker Hub, got 'visomaster'"):
        image.push(nameless)
    assert engine.words("push") == []


def test_names_that_lead_to_different_images_are_an_error(engine: Engine) -> None:
    image.verify(ALT, "")
    engine.digests = [DIGEST, "sha256:" + "e" * 64]
    with pytest.raises(ReleaseError, match="expected one digest for all names"):
        image.push(ALT)


def test_the_build_has_the_variants_target_and_every_name(engine: Engine) -> None:
    image.build(ALT, "sandbox", "some/base", ["--sbom=true"])
    (words,) = engine.words("build")
    assert {"--target=alt", "--build-arg=BASE=some/base", f"--build-arg=REVISION={COMMIT}", "--sbom=true"} <= set(words)
    assert [word for word in words if word.startswith("--tag=")] == [f"--tag={name}" for name in ALT.references]


def test_every_hosts_cache_is_read_and_its_own_written() -> None:
    s_alt = Release(variant=VARIANTS["s-alt"], repository="someone/visomaster", commit=COMMIT)
    assert [option.split(",")[1] for option in s_alt.cache_options] == [
        f"ref=someone/visomaster:cache-{host}" for host in ("default", "alt", "s-def", "s-def")
    ]


def test_the_summary_names_digest_and_tags() -> None:
    text = image.summary(ALT, f"someone/visomaster@{DIGEST}")
    assert all(f"`{name}`" in text for name in (*ALT.references, f"someone/visomaster@{DIGEST}"))


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the runner's preparation does as root, done as this user and recorded."""
    did: list[tuple[str, ...]] = []

    def as_root(*command: str, text: str | None = None) -> None:
        did.append(command)
        subprocess.run(command, check=True)

    monkeypatch.setattr(runner, "_as_root", as_root)
    return did


def test_the_runner_loses_what_is_unused_and_nothing_else(tmp_path: Path, quiet: list[tuple[str, ...]]) -> None:
    kept = tmp_path / "usr/share/doc"
    for folder in [kept, *(tmp_path / name.lstrip("/") for name in runner.UNUSED)]:
        (folder / "inside").mkdir(parents=True)
    runner.free_disk(tmp_path, needed=0)
    assert kept.is_dir()
    assert [name for name in runner.UNUSED if (tmp_path / name.lstrip("/")).exists()] == []


def test_too_little_disk_is_said_before_the_build(tmp_path: Path, quiet: list[tuple[str, ...]]) -> None:
    with pytest.raises(RuntimeError, match=r"\d+ GB free, expected 1000000 or more"):
        runner.free_disk(tmp_path, needed=1_000_000)


def test_an_application_of_ones_own_may_need_another_disk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setattr(runner, "_as_root", lambda *command, text=None: None)
    assert runner.main(["--disk", "1000000"]) == 1
    assert re.fullmatch(r"runner: \d+ GB free, expected 1000000 or more\n", capsys.readouterr().err)


@pytest.mark.parametrize("old", ["", '{"features": {"buildkit": true}, "data-root": "/mnt"}'])
def test_the_engines_other_settings_stay(old: str) -> None:
    new = json.loads(runner.with_containerd_store(old))
    assert new["features"].pop("containerd-snapshotter") is True
    assert new == {"features": {}, **json.loads(old or "{}")}


def test_a_persons_machine_is_left_alone(monkeypatch: pytest.MonkeyPatch, quiet: list[tuple[str, ...]]) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert runner.main([]) == 1
    assert quiet == []


def test_runner_needs_the_standard_library_alone() -> None:
    """It runs before .venv is made."""
    command = [sys.executable, "-I", "-S", str(Path(runner.__file__))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "GITHUB_ACTIONS" in done.stderr
