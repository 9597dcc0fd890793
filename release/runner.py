"""Make GitHub's runner fit for our images: `make runner`.

It frees disk (an image and its build take over 40 GB) and turns on Docker's containerd image store, the one that keeps
an image's SBOM and provenance, so that what was tested can be pushed with them. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

UNUSED = (
    "/opt/ghc",
    "/opt/hostedtoolcache",
    "/usr/local/.ghcup",
    "/usr/local/lib/android",
    "/usr/local/share/boost",
    "/usr/local/share/powershell",
    "/usr/share/dotnet",
    "/usr/share/swift",
)
"""What the runner's image brings for others. None of it is owned by a package."""

CONFIGURATION = Path("/etc/docker/daemon.json")
NEEDED = 45
"""GB, for VisoMaster: the environment is 6.9 GB, models are as much again, and layers are kept packed and unpacked.
An application of one's own may take more or less."""

ANSWERS_WITHIN = 60
STORE = "io.containerd.snapshotter.v1"
"""What `docker info` says of an engine that keeps images as they were built."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it; exit status 1 with one line when this is no runner, or it does not become fit."""
    parser = argparse.ArgumentParser(prog="python -m release.runner", description="Make GitHub's runner fit.")
    parser.add_argument("--disk", type=int, default=NEEDED, metavar="GB", help=f"that must be free ({NEEDED})")
    options = parser.parse_args(arguments)
    if os.environ.get("GITHUB_ACTIONS") != "true":
        print("runner: GITHUB_ACTIONS is not `true`: this removes software from GitHub's runners", file=sys.stderr)
        return 1
    try:
        free_disk(Path("/"), options.disk)
        use_containerd_store()
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(f"runner: {error}", file=sys.stderr)
        return 1
    return 0


def free_disk(root: Path, needed: int) -> None:
    """Remove what is unused under `root`. Raises `RuntimeError` when less than `needed` GB are free then."""
    for folder in UNUSED:
        _as_root("rm", "-rf", "--one-file-system", str(root / folder.lstrip("/")))
    free = shutil.disk_usage(root).free // 10**9
    print(f"{free} GB free")
    if free < needed:
        raise RuntimeError(f"{free} GB free, expected {needed} or more")


def with_containerd_store(text: str) -> str:
    """The engine's configuration `text` (empty: none) with the containerd image store turned on."""
    configuration = json.loads(text or "{}")
    configuration["features"] = {**configuration.get("features", {}), "containerd-snapshotter": True}
    return json.dumps(configuration, indent=2) + "\n"


def use_containerd_store() -> None:
    """Turn the store on and wait for the engine. Raises `RuntimeError` when it does not come up with it."""
    old = CONFIGURATION.read_text(encoding="utf-8") if CONFIGURATION.exists() else ""
    _as_root("tee", str(CONFIGURATION), text=with_containerd_store(old))
    _as_root("systemctl", "restart", "docker")
    deadline = time.monotonic() + ANSWERS_WITHIN
    while STORE not in _engine():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the engine has no containerd image store {ANSWERS_WITHIN} s after its restart")
        time.sleep(1)


def _engine() -> str:
    """What the engine says of its storage; empty while it does not answer."""
    command = ["docker", "info", "--format", "{{json .DriverStatus}}"]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout


def _as_root(*command: str, text: str | None = None) -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*prefix, *command], input=text, text=True, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    sys.exit(main())
