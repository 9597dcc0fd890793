"""A small Conda channel made from packages this machine can reach: Debian's Python and a few wheels."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sandbox.base import derived_image
from sandbox.engine import docker, label_of
from sandbox.shell import CACHE, INPUTS_LABEL, REPOSITORY, fingerprint, lock, say, step

# The channel's Python is this release's, whatever this machine runs: its glibc is old enough for both.
RELEASE = "bookworm"
WHEELS = REPOSITORY / "sandbox" / "packages" / "wheels.txt"
RECIPE = ("conda.py", "repack.py", "packages/sitecustomize.py", "packages/wheels.txt")
# Settings by which people reach a package index of their own; used while the wheels are downloaded.
PASSED_ON = ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


def channel(served: Path = CACHE / "www") -> Path:
    """Make the channel in `served`/channel unless its inputs are unchanged, and return that folder."""
    folder = served / "channel"
    stamp = CACHE / "channel.inputs"
    image = derived_image("channel", RELEASE)
    sources = [REPOSITORY / "sandbox" / name for name in RECIPE]
    inputs = fingerprint(label_of("image", image, INPUTS_LABEL), *sources)
    with lock("channel"):
        if not (folder.is_dir() and stamp.is_file() and stamp.read_text() == inputs):
            _make(image, folder)
            stamp.write_text(inputs)
    return folder


def _make(image: str, folder: Path) -> None:
    """Run the recipe in a container; the finished channel replaces the old one by a rename."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent.parent, prefix="channel-") as work:
        options = ["--rm", f"--user={os.getuid()}:{os.getgid()}", "--env=HOME=/tmp", "--workdir=/repository"]
        options += [f"--env={name}" for name in PASSED_ON if name in os.environ]
        options += [f"--volume={REPOSITORY / 'sandbox'}:/repository/sandbox:ro", f"--volume={work}:/made"]
        command = [
            "python3",
            "-m",
            "sandbox.repack",
            f"/repository/{WHEELS.relative_to(REPOSITORY)}",
            "/made/channel",
        ]
        with step("making the Conda channel"):
            made = docker("run", *options, image, *command, timeout=600)
        if folder.exists():
            folder.rename(Path(work) / "old")
        (Path(work) / "channel").rename(folder)
    for line in made.splitlines():
        say(f"  {line}")
