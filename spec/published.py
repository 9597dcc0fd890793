"""What the images of this project say about themselves: one source for `@bake` and for the Dockerfile."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from visomaster_host import paths
from visomaster_host.text import Told

from spec.application import Application
from spec.here import ROOT
from spec.image import Healthcheck, ImageConfig
from spec.settings import Settings
from spec.variant import Variant

ENVIRONMENT: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "NVIDIA_VISIBLE_DEVICES": "all",
    # Without `graphics` and `video` the NVIDIA runtime mounts neither GL nor the video codecs' libraries.
    "NVIDIA_DRIVER_CAPABILITIES": "compute,utility,graphics,video,display",
}

HEALTHCHECK = Healthcheck(
    command=("visomaster-ready", "--health"),
    interval=30,
    timeout=15,
    start_period=120,
    retries=3,
)


def published_image(settings: Settings) -> ImageConfig:
    """The names and metadata of the image that `settings` describe."""
    return image_config(
        settings.variant, settings.application, settings.repository, clean_commit(), settings.public_ports
    )


def image_config(
    variant: Variant, application: Application, repository: str, commit: str | None, ports: Sequence[int] = ()
) -> ImageConfig:
    """The image of `variant` with `application`, tagged in `repository`; `commit` is this repository's, `ports` are
    other public ones than the variant's.
    """
    return ImageConfig(
        tags=tuple(f"{repository}:{tag}" for tag in variant.tags(commit)),
        entrypoint=("visomaster-start",),
        env=ENVIRONMENT,
        exposed_ports=tuple(ports) or variant.ports,
        labels=_labels(variant, application, commit),
        # What is generated in a container and opens it: `docker commit` copies no volumes.
        volumes=(str(paths.STATE), str(paths.RUN)),
        healthcheck=HEALTHCHECK,
    )


def _labels(variant: Variant, application: Application, commit: str | None) -> Mapping[str, str]:
    labels = {
        "org.opencontainers.image.title": f"{application.title} ({variant.name})",
        "org.opencontainers.image.description": f"{application.title} on a remote desktop, {variant.access} access",
        "org.visomaster.variant": variant.name,
        "org.visomaster.application": application.name,
        "org.visomaster.application.commit": application.commit,
    }
    return labels | ({"org.opencontainers.image.revision": commit} if commit else {})


def repository_commit() -> str | None:
    """The commit this repository is at, or nothing where it is no git checkout (an archive, a build stage)."""
    try:
        return _git("rev-parse", "HEAD").strip()
    except GitError:
        return None


def clean_commit() -> str | None:
    """The commit this repository is at and does not differ from: what differs must not carry its name."""
    return None if uncommitted() else repository_commit()


def uncommitted() -> str | None:
    """A file that is not as this repository's commit has it, new ones among them; nothing where all are."""
    try:
        return _changed()
    except GitError:
        return "something"


def state() -> tuple[str, str | None]:
    """The commit this repository is at, and a file that differs from it, if any. Raises `GitError`."""
    return _git("rev-parse", "--verify", "HEAD").strip(), _changed()


def _changed() -> str | None:
    found = _git("status", "--porcelain")
    return found.splitlines()[0][3:] if found else None


class GitError(Told, ValueError):
    """Why git cannot tell about this repository, in one line: its own reason, and what helps."""


def _git(*command: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise GitError("git: no such program: install it")
    words = [git, "-C", str(ROOT), *command]
    environment = {**os.environ, "LC_ALL": "C"}  # reasons that are known are in English
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", env=environment, check=False)
    except OSError as error:
        raise GitError(f"git: {error.strerror}") from None
    if done.returncode:
        raise GitError(f"git: {_reason(done.stderr) or f'ended with status {done.returncode}'}")
    return done.stdout


def _reason(said: str) -> str:
    """What git said, without what is advice, and with what helps where that is known."""
    if "dubious ownership" in said:
        return (
            f"{ROOT} belongs to another user (dubious ownership): run `git config --global --add safe.directory"
            f" {shlex.quote(str(ROOT))}`"
        )
    if "not a git repository" in said:
        return f"{ROOT} is no checkout: clone the repository, an archive of it names no commit"
    telling = [line for line in said.splitlines() if line.startswith(("fatal: ", "error: "))]
    found = telling or [line for line in said.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(line.strip().removeprefix("fatal: ").removeprefix("error: ") for line in found))
