"""An installation that cannot end: the disk is full, the controller dies. The next run makes it whole."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from visomaster_host import paths

from tests.drills.box import reason, unchanged
from tests.drills.conftest import MakeBox

BEGUN_WITHIN = 60
"""Seconds until a run is in the middle of the environment."""
ENDED_WITHIN = 180
"""Seconds in which what a dead controller left running on the host must end by itself."""


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("24m", "environment: no space left on device: free some and run again, the rest is installed then"),
        ("120m", "environment: no space left on device: free some and run again, the rest is installed then"),
        ("200m", "packages: no space left on device: free some and run again, the rest is installed then"),
    ],
    ids=["installer", "environment", "packages"],
)
def test_a_full_disk_is_said_and_the_next_run_repairs(make_box: MakeBox, size: str, said: str) -> None:
    """It fills up at the installer, at Conda's packages or at uv's; the lock of an earlier run stays."""
    room = f"--tmpfs=/opt/conda:exec,mode=755,size={size}"
    box = make_box(
        room, "--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined", "--entrypoint=sleep", command=("infinity",)
    )
    lock = box.output("sha256sum", str(paths.ENVIRONMENT_LOCK))
    assert reason(box.apply("environment")) == said
    assert box.output("sha256sum", str(paths.ENVIRONMENT_LOCK)) == lock
    box.output("mount", "-o", "remount,size=2g", "/opt/conda")
    repaired = box.apply("environment")
    assert repaired.returncode == 0, repaired.stderr
    box.good()
    assert unchanged(box.apply("environment"))


def test_a_killed_run_is_made_good_by_the_next(make_box: MakeBox, tmp_path: Path) -> None:
    """kill -9 of pyinfra in the middle of the environment.

    What it had started on the host goes on for a moment; until that has ended a new run is refused in one line.
    """
    box = make_box("--entrypoint=sleep", command=("infinity",))
    whole = box.good()
    box.output("rm", "-r", "/opt/conda")
    log = tmp_path / "log"
    run = box.begin("environment", log)
    deadline = time.monotonic() + BEGUN_WITHIN
    while box.run("test", "-d", f"{paths.ENVIRONMENT}/conda-meta").returncode and time.monotonic() < deadline:
        assert run.poll() is None, log.read_text()
    run.send_signal(signal.SIGKILL)
    assert run.wait(10) == -signal.SIGKILL
    assert box.run(str(paths.PYTHON), "-c", "import PySide6").returncode != 0, "the run had ended before it was killed"
    deadline = time.monotonic() + ENDED_WITHIN
    while (again := box.apply("environment")).returncode and time.monotonic() < deadline:
        running = f"another installation into {paths.ENVIRONMENT} is running"
        assert reason(again) in (f"environment: {running}", f"packages: {running}")
    assert again.returncode == 0, again.stderr
    assert box.good() == whole
    assert unchanged(box.apply("environment"))
