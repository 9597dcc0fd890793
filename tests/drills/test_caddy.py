"""The portal on the Caddy that Caddy's own repository has: hosts whose distribution has none get that one."""

from __future__ import annotations

import os
import subprocess

from sandbox.shell import REPOSITORY
from tests.e2e.machine import BIN

ELSEWHERE = (
    *("axe", "bench_page", "browser", "desktop", "files_page", "files_stopped", "first_page", "follows", "in_between"),
    *("keyboard", "screen", "visitors"),
)
"""What is about a page's looks, words and scripts, noVNC, the X server and the bench: Caddy does nothing there that
others do not ask of it."""
WITHOUT = tuple(f"--ignore=tests/portal/test_{name}.py" for name in ELSEWHERE)


def test_the_newest_caddy_passes_the_same_tests() -> None:
    """Those of tests/portal that ask Caddy, which `make test` runs on the distribution's."""
    environment = {**os.environ, "PORTAL_TEST_CADDY": str(BIN / "caddy")}
    done = subprocess.run(
        [BIN / "pytest", "tests/portal", *WITHOUT, "-q", "-p", "no:cacheprovider"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
