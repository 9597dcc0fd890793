"""One variant as an image of Docker Hub: built, checked by the host tests, then pushed.

What is pushed is what was checked, by construction: a check that passed is recorded with the image's ID, and a push
gives the published names to that ID. With the containerd image store an ID covers the SBOM and provenance as well.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from visomaster_host.enums import StrEnum
from visomaster_host.text import Told, lines

from layers import dockerfile, stages
from release.runner import STORE
from sandbox.engine import docker_command
from sandbox.shell import SandboxError
from spec import pins
from spec.here import ROOT
from spec.image import repository as checked_repository
from spec.layer import IMAGE_LAYERS
from spec.settings import read_settings
from spec.variant import VARIANTS, Variant

VERIFIED = ROOT / ".state" / "verified"
"""One file a variant with the ID of its image that passed the host tests."""

REVISION = "org.opencontainers.image.revision"
BASE_NAME = "org.opencontainers.image.base.name"
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


class ReleaseError(Told, RuntimeError):
    """A step failed; the message is one line for the person at the terminal."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """The image of `variant` at `commit` (40 hexadecimal digits), named in `repository`.

    `changed` names a file that differs from that commit: an image of it is for this machine alone.
    """

    variant: Variant
    repository: str
    commit: str
    changed: str | None = None

    def __post_init__(self) -> None:
        """Refuse a name that only the registry would refuse, hours later."""
        checked_repository(self.repository)

    @property
    def references(self) -> tuple[str, ...]:
        """Every published name: the commit's first, so that the moving one never names what is not there."""
        return tuple(f"{self.repository}:{tag}" for tag in reversed(self.variant.tags(self.commit)))

    @property
    def revision(self) -> str:
        """What the image is made from, as its label says."""
        return f"{self.commit}-dirty" if self.changed else self.commit

    @property
    def cache_sources(self) -> tuple[str, ...]:
        """BuildKit's options for reading the cache beside the images. Layers are shared, so every host's is read."""
        hosts = dict.fromkeys(variant.host.name for variant in VARIANTS.values())
        return tuple(f"--cache-from=type=registry,ref={self.repository}:cache-{host}" for host in hosts)

    @property
    def cache_target(self) -> str:
        """BuildKit's option for writing this host's."""
        return f"--cache-to=type=registry,ref={self.repository}:cache-{self.variant.host.name},mode=max"


class Compression(StrEnum):
    """How an image's layers are packed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    """Unpacked in a fraction of the time; Docker 20.10 and older refuse it."""

    @property
    def attributes(self) -> str:
        """What is added to an output of BuildKit's. Layers that are there already, the base's, are packed anew."""
        return ",compression=zstd,force-compression=true,oci-mediatypes=true" if self is Compression.ZSTD else ""


def attest_options(scanner: str) -> tuple[str, ...]:
    """The options that add SBOM and provenance. Raises `ValueError` when the image `scanner`, which sees every file of
    the build, is not named by digest."""
    return (f"--sbom=generator={pins.pinned(scanner, 'scanner')}", "--provenance=mode=max")


def check(release: Release, base: str, compression: Compression = Compression.GZIP) -> None:
    """Raise `ReleaseError` or `ValueError` for what a build or a push would refuse hours later."""
    _account(release)
    _require_store(compression)
    pins.pinned(base, "base")
    if release.changed:
        raise ReleaseError(
            f"git: {release.changed} is not as it was committed, and images are named after the commit: commit first"
        )


def build(
    release: Release,
    application: str,
    base: str,
    options: Sequence[str],
    compression: Compression = Compression.GZIP,
) -> None:
    """Build the image of `release` from the Dockerfile of `application` on `base`, with more `options` of the builder.

    Raises `ReleaseError`, and `ValueError` when the application is refused.
    """
    _require_store(compression)
    output = [f"--output=type=image{compression.attributes}"] if compression is Compression.ZSTD else []
    tags = [f"--tag={reference}" for reference in release.references]
    _build(release, application, base, [*tags, *output, *options])


def export_cache(
    release: Release,
    application: str,
    base: str,
    options: Sequence[str],
    compression: Compression = Compression.GZIP,
) -> None:
    """Write the cache of what `build` built, called alike: each step is in this machine's cache, so none runs again.

    Raises as `build` does.
    """
    target = f"{release.cache_target}{compression.attributes}"
    _build(release, application, base, [target, "--output=type=cacheonly", *options])


def _require_store(compression: Compression) -> None:
    """Raise `ReleaseError` where the engine keeps no packed layers: it packs what it pushes, and with gzip."""
    if compression is Compression.ZSTD and STORE not in _output(["info", "--format={{json .DriverStatus}}"]):
        raise ReleaseError(
            "compression: expected an engine with Docker's containerd image store for zstd: turn it on, or leave gzip"
        )


def _build(release: Release, application: str, base: str, options: Sequence[str]) -> None:
    _read_before(release, application, options)
    arguments = [f"--build-arg=BASE={base}", f"--build-arg=REVISION={release.revision}", f"--label={BASE_NAME}={base}"]
    command = ["build", "--file=-", f"--target={release.variant.name}", *arguments, *options, str(ROOT)]
    _docker(command, text=dockerfile.render(application), environment={"DOCKER_BUILDKIT": "1"})


def _read_before(release: Release, application: str, options: Sequence[str]) -> None:
    """Raise `ValueError` for what a stage of the build would refuse, minutes after it has begun."""
    data = {"application": application, "repository": release.repository}
    for word in options:
        name, separator, value = word.removeprefix("--build-arg=").partition("=")
        if separator and name == "DATA":
            data |= stages.build_data(value)
    read_settings({**data, "variant": release.variant.name}, IMAGE_LAYERS)


def verify(release: Release, gpu: str) -> None:
    """Run the host tests on a container of the built image, and record its ID when they pass.

    `gpu` is `all` (the container gets this machine's GPUs), `none` (there is none, and the program needs one: it is not
    expected to open its window) or empty (the program needs none). Raises `ReleaseError`.
    """
    image = _output(["images", "--quiet", "--no-trunc", release.references[0]])
    if not image:
        raise ReleaseError(f"{release.references[0]}: there is no such image here, run `make image`")
    record = VERIFIED / release.variant.name
    record.unlink(missing_ok=True)
    tests = [sys.executable, "-m", "pytest", "tests/host", "-q", *(["--no-gpu"] if gpu == "none" else [])]
    with _container(image, ["--gpus=all"] if gpu == "all" else []) as name:
        status = subprocess.run([*tests, f"--hosts=docker://{name}"], cwd=ROOT, check=False).returncode
        if status:
            _docker(["logs", name])
            raise ReleaseError(f"{release.references[0]}: the host tests failed, see above")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(f"{image}\n", encoding="utf-8")


def push(release: Release) -> str:
    """Push the image that passed the host tests under every name of `release`; returns `repository@digest`.

    Raises `ReleaseError` when none has passed, or it is of another commit than `release`, and `ValueError` when it was
    made on a base whose name can move.
    """
    _account(release)
    image = _verified(release)
    digests = set()
    for reference in release.references:
        _docker(["tag", image, reference])
        digests |= set(_DIGEST.findall(_docker(["push", reference], capture=True)))
    if len(digests) != 1:
        raise ReleaseError(f"{release.repository}: expected one digest for all names, got {sorted(digests)}")
    return f"{release.repository}@{digests.pop()}"


def summary(release: Release, digest: str) -> str:
    """The digest and the names of a pushed image, as Markdown."""
    rows = "".join(f"| `{reference}` |\n" for reference in release.references)
    return f"### {release.variant.name}\n\n`{digest}`\n\n| name |\n|---|\n{rows}"


def _account(release: Release) -> None:
    if "/" not in release.repository:
        raise ReleaseError(f"repository: expected NAME/visomaster, as on Docker Hub, got {release.repository!r}")


def _verified(release: Release) -> str:
    """The ID of the image that passed the host tests, made from the commit of `release`."""
    try:
        image = (VERIFIED / release.variant.name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ReleaseError(
            f"{release.variant.name}: no image has passed the host tests, run `make verify-image`"
        ) from None
    made_from = _label(image, REVISION)
    if made_from != release.commit:
        raise ReleaseError(
            f"{release.variant.name}: the image that passed the host tests is of commit {made_from or '(none)'},"
            f" expected {release.commit}: run `make image verify-image`"
        )
    pins.pinned(_label(image, BASE_NAME), "base of the image that passed the host tests")
    return image


def _label(image: str, name: str) -> str:
    return _output(["image", "inspect", f'--format={{{{index .Config.Labels "{name}"}}}}', image])


@contextmanager
def _container(image: str, options: Sequence[str]) -> Iterator[str]:
    """A running container of `image`, removed at the end. VISOMASTER_MIRRORS is passed on where it is set."""
    mirrors = ["--env=VISOMASTER_MIRRORS"] if "VISOMASTER_MIRRORS" in os.environ else []
    name = _output(["run", "--detach", *mirrors, *options, image])
    try:
        yield name
    finally:
        _docker(["rm", "--force", "--volumes", name], capture=True)


def _output(command: Sequence[str]) -> str:
    return _docker(command, capture=True).strip()


def _docker(
    command: Sequence[str], *, text: str | None = None, capture: bool = False, environment: dict[str, str] | None = None
) -> str:
    """Run the Docker client with the input `text`; returns what it prints when it is captured. Raises `ReleaseError`.

    All else that it says is shown: an engine, a registry or a container may have written it.
    """
    words, variables = [_client(), *command], {**os.environ, **(environment or {})}
    if capture:
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, errors="replace", env=variables, check=False
        )
        sys.stderr.write(lines(done.stderr))
        status, output = done.returncode, done.stdout
    else:
        status, output = _followed(words, text or "", variables), ""
    if status:
        raise ReleaseError(f"docker {command[0]}: ended with status {status}, see above")
    return output


def _client() -> str:
    """The client that `make up` finds, or the one that the variable DOCKER names. Raises `ReleaseError` when none can
    build."""
    try:
        return os.environ.get("DOCKER") or docker_command()
    except SandboxError as error:
        raise ReleaseError(f"docker: {error}") from None


def _followed(words: Sequence[str], text: str, variables: Mapping[str, str]) -> int:
    """Run a program with the input `text`, show its lines as they come; its exit status."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as given:
        given.write(text)
        given.seek(0)
        output, errors = subprocess.PIPE, subprocess.STDOUT
        process = subprocess.Popen(
            words, stdin=given, stdout=output, stderr=errors, env=variables, text=True, errors="replace"
        )
    with process:
        for line in process.stdout or ():
            sys.stderr.write(lines(line))
            sys.stderr.flush()
    return process.returncode
