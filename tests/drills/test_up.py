"""`make up`: what it prints can be opened; where it cannot, that is said in one line before the minutes of a bake."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request

import pytest

from sandbox import base
from sandbox.desktop import UP_LABEL
from sandbox.shell import REPOSITORY
from tests.e2e.machine import BIN, container, run

UP_WITHIN = 300
"""Seconds for `make up` on a machine that has the base image."""


def make(target: str, *words: str) -> str:
    """What a person sees of `make TARGET`. Fails the test when it fails."""
    command = ["make", "--no-print-directory", target, *words]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, timeout=UP_WITHIN, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("variant", ["alt", "s-def", "s-alt"])
def test_the_address_that_is_printed_opens(engine_going: None, variant: str) -> None:
    """With its token, and not without."""
    try:
        (address,) = re.findall(r"http://127\.0\.0\.1:11111/\?token=\S+", make("up", f"VARIANT={variant}"))
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert b"Open the desktop" in answer.read()
        with pytest.raises(OSError, match="401"):
            urllib.request.urlopen(address.partition("?")[0], timeout=10)
    finally:
        make("down")


def test_a_second_desktop_is_refused_by_the_name_of_the_first(engine_going: None) -> None:
    options = ("--entrypoint=sleep", "--name=visomaster-sandbox-other", f"--label={UP_LABEL}=other")
    with container(base.base_image("bookworm"), *options, command=("infinity",)):
        refused = run([BIN / "python", "-m", "sandbox", "up", "--variant", "alt"])
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("sandbox: error: VARIANT: ") and "visomaster-sandbox-other" in line
    assert line.endswith(" runs, expected no other desktop: `make down` ends it")
    assert "baking" not in refused.stdout
