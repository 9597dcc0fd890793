"""The project's own Python environment: locked packages, and pyinfra with the `@bake` connector."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from sandbox.shell import CACHE, REPOSITORY, apt_install, run, step

FOLDER = REPOSITORY / ".venv"
INSTALLED = FOLDER / ".installed"
LOCK = REPOSITORY / "requirements-dev.txt"

ELSEWHERE = (
    *("CONSTRAINT", "DRY_RUN", "NO_BINARY", "NO_INDEX", "PREFIX"),
    *("PYTHON", "REQUIREMENT", "ROOT", "TARGET", "USER"),
)
"""Options of pip that a person may have in variables for other things than this. pip takes no notice of empty ones."""


def make() -> Path:
    """Make `.venv` with the locked packages and this project, and return it. What was there is replaced."""
    if importlib.util.find_spec("ensurepip") is None:
        apt_install(["python3-venv"])  # Debian leaves ensurepip out of its python3
    shutil.rmtree(FOLDER, ignore_errors=True)
    own = {**{f"PIP_{option}": "" for option in ELSEWHERE}, "PYTHONHOME": "", "PYTHONPATH": ""}
    with step("making .venv"):
        run([sys.executable, "-I", "-m", "venv", FOLDER], timeout=120)
    pip: list[str | Path] = [FOLDER / "bin" / "pip", "--disable-pip-version-check", "install", "--quiet"]
    with step("installing the locked Python packages"):
        # A package's source is a program that would run here, with what it is built with taken without a hash.
        run(
            [*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", LOCK],
            timeout=900,
            environment=own,
            log=CACHE / "pip.log",
        )
    with step("installing the project"):
        run(
            [*pip, "--no-deps", "--no-build-isolation", "--editable", REPOSITORY],
            timeout=120,
            environment=own,
            log=CACHE / "pip.log",
        )
    INSTALLED.touch()
    return FOLDER
