"""Images from the Dockerfile, for tests. Layers that variants share are built once: the engine caches them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from layers.dockerfile import render
from sandbox import assets, base, desktop
from spec.published import clean_commit
from tests.e2e.machine import ROOT, docker


@dataclass(frozen=True, kw_only=True)
class Build:
    """An image, and what its build said."""

    tag: str
    log: str


def build(release: str, context: Path = ROOT, target: str = "default", name: str = "desktop") -> Build:
    """Build the Dockerfile of the sandbox's application as a person would."""
    assets.up()
    tag = f"visomaster-test/{name}:{release}"
    arguments = {
        "BASE": base.base_image(release),
        "DATA": f"--data mirrors={desktop.mirrors(assets.url())}",
        "REVISION": clean_commit() or "",
    }
    options = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    # The asset server is published on this machine's loopback, which a build sees through the machine's own network.
    result = subprocess.run(
        ["docker", "build", "--network=host", "--file=-", f"--target={target}", f"--tag={tag}", *options, "."],
        cwd=context,
        input=render("sandbox"),
        env={**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return Build(tag=tag, log=result.stderr)


def built(release: str, target: str = "default") -> Iterator[Build]:
    """An image for as long as a fixture needs it."""
    image = build(release, target=target, name=target)
    yield image
    docker("rmi", "--force", image.tag)
