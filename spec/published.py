"""What the images of this project say about themselves: one source for `@bake` and for the Dockerfile."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from visomaster_host import paths

from spec.application import Application
from spec.here import ROOT
from spec.image import Healthcheck, ImageConfig
from spec.program import GitSource
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
    return image_config(settings.variant, settings.application, settings.repository, clean_commit(), settings.port)


def image_config(
    variant: Variant, application: Application, repository: str, commit: str | None, port: int | None = None
) -> ImageConfig:
    """The image of `variant` with `application`, tagged in `repository`; `commit` is this repository's, `port` another
    public one than the variant's."""
    return ImageConfig(
        tags=tuple(f"{repository}:{tag}" for tag in variant.tags(commit)),
        entrypoint=("visomaster-start",),
        env=ENVIRONMENT,
        exposed_ports=(port or variant.port,),
        labels=_labels(variant, application, commit),
        # What is generated in a container and opens it: `docker commit` copies no volumes.
        volumes=(str(paths.STATE), str(paths.RUN)),
        healthcheck=HEALTHCHECK,
    )


def _labels(variant: Variant, application: Application, commit: str | None) -> Mapping[str, str]:
    source = application.source
    labels = {
        "org.opencontainers.image.title": f"{application.title} ({variant.name})",
        "org.opencontainers.image.description": f"{application.title} on a remote desktop, {variant.access} access",
        "org.visomaster.variant": variant.name,
        "org.visomaster.application": application.name,
        "org.visomaster.application.commit": source.commit if isinstance(source, GitSource) else "local",
    }
    return labels | ({"org.opencontainers.image.revision": commit} if commit else {})


def repository_commit() -> str | None:
    """The commit this repository is at, or nothing where it is no git checkout (an archive, a build stage)."""
    found = _git("rev-parse", "HEAD")
    return found.strip() if found is not None else None


def clean_commit() -> str | None:
    """The commit this repository is at and does not differ from: what differs must not carry its name."""
    return None if uncommitted() else repository_commit()


def uncommitted() -> str | None:
    """A file that is not as this repository's commit has it, new ones among them; nothing where all are."""
    found = _git("status", "--porcelain")
    if found is None:
        return "something"  # git cannot tell
    return found.splitlines()[0][3:] if found else None


def _git(*command: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    result = subprocess.run([git, "-C", str(ROOT), *command], capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else None
