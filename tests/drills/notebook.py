"""The guide of a host as a person meets it: a Jupyter kernel on the host runs its cells; this is what they print."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visomaster_host import paths

from sandbox.shell import CACHE, REPOSITORY, fingerprint, lock, step
from sandbox.shell import run as run_here
from tests.e2e.machine import BIN, Container

RUNNER = Path(__file__).with_name("run_cells.py")
KERNEL = "/opt/kernel"
LOCK = REPOSITORY / "requirements-dev.txt"
KERNEL_PYTHON = "3.11"
"""What bookworm has. The packages are made for one Python; the notebook itself is not."""

CHECKS = tuple(f"check-{name}" for name in ("set-up", "gpu", "services", "models", "disk", "folders", "ports"))


def kernel_options() -> tuple[str, ...]:
    """Options of `docker run` that lend a container a kernel and a client for it: nothing of them is the product's."""
    packages = CACHE / f"kernel-{fingerprint(LOCK, KERNEL_PYTHON)}"
    with lock("kernel"):
        if not packages.is_dir():
            with step("fetching a Jupyter kernel"):
                new = packages.with_suffix(".new")
                made_for = ("--python-version", KERNEL_PYTHON, "--only-binary", ":all:", "--constraint", LOCK)
                uv = (BIN / "uv", "pip", "install", "--quiet", "--target", new, *made_for)
                run_here([*uv, "ipykernel", "nbclient"], timeout=300)
                new.rename(packages)
    return (f"--volume={packages}:{KERNEL}:ro", f"--volume={RUNNER}:/opt/{RUNNER.name}:ro")


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What the cells of one run printed, in order: (cell, text)."""

    cells: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(text for _, text in self.cells)

    def of(self, cell: str) -> str:
        """What the last run of `cell` printed."""
        return dict(self.cells)[cell]

    @property
    def faults(self) -> set[tuple[str, str]]:
        """What is wrong, and the title of the cell that repairs it, as the checks say it."""
        return set(re.findall(r"(?m)^FAULT  (.*) → run cell '(.*)'$", self.text))

    @property
    def complete(self) -> bool:
        """Whether every line of the checks is of a kind that the notebook explains."""
        lines = (line for cell, text in self.cells if cell in CHECKS for line in text.splitlines())
        return all(re.match(r"(ok|note|FAULT) +\S", line) for line in lines)


def run_cells(box: Container, *cells: str, user: str = "root", notebook: str = str(paths.GUIDE)) -> Printed:
    """Run `cells` of the host's own guide (all without any) in one kernel as `user`. Fails the test when one raises."""
    variables = ("env", f"PYTHONPATH={KERNEL}", "HOME=/tmp", "PYTHONDONTWRITEBYTECODE=1")
    done = box.run("runuser", "-u", user, "--", *variables, "python3", f"/opt/{RUNNER.name}", notebook, *cells)
    assert done.returncode == 0, done.stderr[-3000:]
    return printed(json.loads(done.stdout)["cells"])


def plain(outputs: Sequence[Mapping[str, str]]) -> str:
    """The text of a cell's outputs without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", "".join(output["text"] for output in outputs))


def printed(cells: Sequence[Mapping[str, Any]]) -> Printed:
    """What an executed notebook holds."""
    return Printed(
        cells=tuple(
            (str(cell["id"]).partition("-")[2], plain(cell["outputs"])) for cell in cells if cell["cell_type"] == "code"
        )
    )
