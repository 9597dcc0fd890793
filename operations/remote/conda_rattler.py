"""How rattler comes to this machine, and how it is called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from operations.remote.conda_errors import NO_SPACE, InstallationError
from operations.remote.conda_progress import say
from operations.remote.conda_request import Request
from operations.remote.pip_environment import pip_environment

SPARE_NONE: list[None] = []
# References to None for rattler to lose, never given back: before Python 3.12, 0.28 gives back one too many with calls
# from Rust (20 for a solve, one a progress event), and an interpreter whose last one goes aborts. None has some 9000.


def provide_rattler(request: Request, work: Path) -> None:
    """Make ``rattler`` importable, from a virtual environment in the work directory."""
    if request.requirements is None:
        return
    say("fetching the installer")
    listed, venv = work / "rattler.txt", work / "venv"
    listed.write_text(request.requirements, encoding="utf-8")
    _call([sys.executable, "-I", "-m", "venv", "--without-pip", str(venv)], "cannot make a venv")
    python = str(venv / "bin" / "python")
    # venv itself would run this too, but keep to itself why it failed.
    _call([python, "-I", "-m", "ensurepip", "--default-pip"], "cannot make a venv (is python3-venv there?)")
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-cache-dir"]
    install = [*pip, "install", *options, "-r", str(listed)]
    _call(install, "cannot fetch the installer", pip_environment(python, request.index))
    sys.path.insert(0, str(next(venv.glob("lib/python3*/site-packages"))))


def _call(command: Sequence[str], failure: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a program silently; raises ``InstallationError`` with its last line."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        if any("No space left on device" in line for line in lines):
            raise InstallationError(NO_SPACE)
        raise InstallationError(f"{failure}: {lines[-1] if lines else f'status {done.returncode}'}")


def client() -> Any:
    from rattler.networking import Client

    return Client.default_client(max_retries=3, timeout=60)


def subdir(platform: str) -> Any:
    from rattler import Subdir

    return Subdir(platform)
