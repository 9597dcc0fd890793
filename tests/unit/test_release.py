"""Publishing: what is pushed is what passed the host tests, and nothing else can be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from release import image, pin, runner
from release.__main__ import main
from release.image import Compression, Release, ReleaseError
from spec import pins, published
from spec.here import ROOT
from spec.variant import VARIANTS
from tests.unit.hostile import give

COMMIT = "c" * 40
ID = "sha256:" + "1" * 64
DIGEST = "sha256:" + "d" * 64
ALT = Release(variant=VARIANTS["alt"], repository="someone/visomaster", commit=COMMIT)
BASE = f"debian:bookworm-slim@{DIGEST}"


class Engine:
    """A Docker engine that has one image, and the commands it was given."""

    def __init__(self) -> None:
        self.did: list[list[str]] = []
        self.revision = COMMIT
        self.base = BASE
        self.digests = [DIGEST, DIGEST]
        self.tests = 0
        self.store = f'[["driver-type","{runner.STORE}"]]'

    def docker(self, command: Sequence[str], **options: object) -> str:
        self.did.append(list(command))
        match list(command):
            case ["images", *_]:
                return f"{ID}\n"
            case ["image", "inspect", label, _]:
                return f"{self.base if 'base.name' in label else self.revision}\n"
            case ["run", *_]:
                return "container\n"
            case ["info", *_]:
                return f"{self.store}\n"
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
    image.build(ALT, "sandbox", BASE, ["--progress=plain"])
    (words,) = engine.words("build")
    expected = {f"--build-arg=BASE={BASE}", f"--build-arg=REVISION={COMMIT}", f"--label={image.BASE_NAME}={BASE}"}
    assert expected | {"--target=alt", "--progress=plain"} <= set(words)
    assert [word for word in words if word.startswith("--tag=")] == [f"--tag={name}" for name in ALT.references]


def test_every_hosts_cache_is_read_and_its_own_written() -> None:
    s_alt = Release(variant=VARIANTS["s-alt"], repository="someone/visomaster", commit=COMMIT)
    assert [option.split(",")[1] for option in (*s_alt.cache_sources, s_alt.cache_target)] == [
        f"ref=someone/visomaster:cache-{host}" for host in ("default", "alt", "s-def", "s-def")
    ]


def test_the_cache_is_of_the_very_build_and_makes_no_image(engine: Engine) -> None:
    """Another option would build anew, with the token on disk; a name would lead to what was not tested."""
    image.build(ALT, "sandbox", BASE, ["--network=host"])
    image.export_cache(ALT, "sandbox", BASE, ["--network=host"])
    built, kept = engine.words("build")
    names = {word for word in built if word.startswith("--tag=")}
    assert set(kept) - set(built) == {ALT.cache_target, "--output=type=cacheonly"}
    assert set(built) - set(kept) == names


ZSTD = "compression=zstd,force-compression=true,oci-mediatypes=true"


def test_zstd_is_of_the_image_that_is_tested_and_of_its_cache(engine: Engine) -> None:
    """Every layer, the base's as well: what is pushed is what the engine keeps, and that is what was tested."""
    image.build(ALT, "sandbox", BASE, [], Compression.ZSTD)
    image.export_cache(ALT, "sandbox", BASE, [], Compression.ZSTD)
    built, kept = engine.words("build")
    assert f"--output=type=image,{ZSTD}" in built
    assert f"{ALT.cache_target},{ZSTD}" in kept and "--output=type=cacheonly" in kept
    image.build(ALT, "sandbox", BASE, [])
    assert [word for word in engine.words("build")[-1] if "--output" in word] == []


@pytest.mark.parametrize("command", ["check", "build"])
def test_zstd_is_refused_where_an_engine_packs_what_it_pushes(engine: Engine, command: str) -> None:
    engine.store = '[["Backing Filesystem","extfs"]]'
    with pytest.raises(ReleaseError, match="compression: expected an engine with Docker's containerd image store"):
        if command == "check":
            image.check(ALT, BASE, Compression.ZSTD)
        else:
            image.build(ALT, "sandbox", BASE, [], Compression.ZSTD)
    assert engine.words("build") == []


MOVING = "expected an image by its digest, NAME@sha256:…, got 'debian:bookworm-slim', which can move"


def test_an_image_on_a_base_whose_name_can_move_is_not_pushed(engine: Engine) -> None:
    image.verify(ALT, "")
    engine.base = "debian:bookworm-slim"
    with pytest.raises(ValueError, match=f"base of the image that passed the host tests: {MOVING}"):
        image.push(ALT)
    assert engine.words("push") == []


def test_a_scanner_whose_name_can_move_is_refused() -> None:
    """It sees every file of the build."""
    with pytest.raises(
        ValueError, match=r"scanner: expected an image by its digest.*'docker/buildkit-syft-scanner:stable"
    ):
        image.attest_options("docker/buildkit-syft-scanner:stable-1")
    assert image.attest_options(f"scanner@{DIGEST}") == (f"--sbom=generator=scanner@{DIGEST}", "--provenance=mode=max")


def test_what_a_push_would_refuse_is_said_before_the_build() -> None:
    image.check(ALT, BASE)
    with pytest.raises(ValueError, match=f"base: {MOVING}"):
        image.check(ALT, "debian:bookworm-slim")
    with pytest.raises(ReleaseError, match=r"git: Makefile is not as it was committed, .* commit first"):
        image.check(replace(ALT, changed="Makefile"), BASE)
    with pytest.raises(ReleaseError, match="repository: expected NAME/visomaster"):
        image.check(replace(ALT, repository="visomaster"), BASE)


def test_an_image_of_what_is_not_committed_is_not_pushed(engine: Engine) -> None:
    """Its name would say a commit that it is not made from."""
    edited = replace(ALT, changed="Makefile")
    image.build(edited, "sandbox", BASE, [])
    assert f"--build-arg=REVISION={COMMIT}-dirty" in engine.words("build")[0]
    engine.revision = edited.revision
    image.verify(edited, "")
    for release in (edited, ALT):
        with pytest.raises(ReleaseError, match=rf"is of commit {COMMIT}-dirty, expected {COMMIT}: run"):
            image.push(release)


def test_a_new_file_and_an_edit_are_not_what_was_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "ROOT", tmp_path)
    assert (published.repository_commit(), published.clean_commit()) == (None, None)

    def git(*command: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", tmp_path, *identity, *command], check=True, capture_output=True)

    (tmp_path / "a").write_text("1")
    git("init")
    git("add", "a")
    git("commit", "--message=a")
    assert published.uncommitted() is None and published.clean_commit() == published.repository_commit()
    for name in ("a", "new"):
        (tmp_path / name).write_text("2")
        assert (published.uncommitted(), published.clean_commit()) == (name, None)
        git("add", name)
        git("commit", f"--message={name}")


def test_why_git_cannot_tell_is_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else's checkout is one: git says what to do about it."""
    monkeypatch.setattr(published, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["release", "--variant=alt", "--repository=someone/visomaster", "push"])

    def said() -> str:
        assert main() == 1
        return capsys.readouterr().err

    assert (
        said() == f"release: git: {tmp_path} is no checkout: clone the repository, an archive of it names no commit\n"
    )
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert said() == "release: git: Needed a single revision\n"
    give(tmp_path)
    assert said() == (
        f"release: git: {tmp_path} belongs to another user (dubious ownership):"
        f" run `git config --global --add safe.directory {tmp_path}`\n"
    )
    monkeypatch.setenv("PATH", "")
    assert said() == "release: git: no such program: install it\n"


def test_what_a_stage_of_the_build_would_refuse_is_refused_before_it(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data, expected in (
        ("--data accelerator=rocm", "accelerator: 'rocm' is unknown"),
        ("--data mirrors=https://a", "mirrors: expected FROM=TO"),
        ("accelerator=cu118", "DATA: expected --data KEY=VALUE"),
    ):
        with pytest.raises(ValueError, match=expected):
            image.build(ALT, "sandbox", BASE, [f"--build-arg=DATA={data}"])
    assert engine.did == []
    image.build(ALT, "visomaster", BASE, ["--build-arg=DATA=--data accelerator=cu118 --data unhashed=yes"])
    assert len(engine.words("build")) == 1


def test_what_a_build_fetches_is_pinned() -> None:
    """Base and scanner, as Dependabot and the Makefile read them."""
    assert set(pins.images()) == {"base", "sbom-scanner"}
    assert [pins.pinned(name, "image") for name in pins.images().values()] == list(pins.images().values())
    asked = subprocess.run(["make", "-n", "publish"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f'--base "{pins.images()["base"]}"' in asked and f'--scanner "{pins.images()["sbom-scanner"]}"' in asked


NO_BUILDX = "docker: this client has no buildx, which asks registries: install docker-buildx"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("docker: unknown command: docker buildx\n\nRun 'docker --help'", NO_BUILDX),
        ("unknown flag: --format\nSee 'docker --help'.", NO_BUILDX),
        ("ERROR: no such host\n", "debian:bookworm-slim: its registry gives no digest: ERROR: no such host"),
    ],
)
def test_why_there_is_no_digest_is_one_line(said: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def docker(command: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(subprocess, "run", docker)
    with pytest.raises(RuntimeError) as refused:
        pin.digest_of("debian:bookworm-slim")
    assert str(refused.value) == expected


def test_digests_are_renewed_all_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "Dockerfile"
    copy.write_text(pins.FILE.read_text())
    monkeypatch.setattr(pins, "FILE", copy)
    monkeypatch.setattr(pin, "digest_of", lambda name: "sha256:" + f"{len(name):064x}")
    assert pin.main() == 0
    assert pins.images()["base"] == f"debian:bookworm-slim@sha256:{len('debian:bookworm-slim'):064x}"
    before = copy.read_text()

    def refuse(name: str) -> str:
        if name.startswith("debian"):
            return DIGEST
        raise RuntimeError(f"{name}: its registry gives no digest: no such host")

    monkeypatch.setattr(pin, "digest_of", refuse)
    assert (pin.main(), copy.read_text()) == (1, before)
    assert capsys.readouterr().err.startswith(
        "pin: docker/buildkit-syft-scanner:stable-1: its registry gives no digest"
    )


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
