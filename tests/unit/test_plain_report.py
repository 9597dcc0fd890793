"""The host tests' report in plain words, on a suite of four."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from spec.here import ROOT

SUITE = '''
import pytest

@pytest.mark.parametrize("path", ["/app", "/opt"])
def test_a(path):
    """A folder is there.

    Why it matters.
    """
    assert path == "/app", f"{path} is missing"

def test_b():
    """The desktop is ready.

    If not: look into its log,
    then restart it.
    """
    assert {"x11vnc": "FATAL"} == {}

def test_c():
    """The card answers."""
    pytest.skip("no GPU")
'''
CONFTEST = """
import pytest
from tests.host import plain

def pytest_configure(config):
    config.pluginmanager.register(plain.Report(config))

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.check = plain.check_of(item, call)
    return report
"""


def test_each_check_is_a_line_with_what_to_do(tmp_path: Path) -> None:
    """As `make verify` runs it."""
    (tmp_path / "test_host.py").write_text(SUITE)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    words = [
        "-m",
        "pytest",
        "-qq",
        "-rN",
        "--tb=no",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(
        [sys.executable, *words, tmp_path], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert [line.rstrip() for line in done.stdout.splitlines() if line.strip()] == [
        "ok      A folder is there: /app",
        "FAILED  A folder is there: /opt",
        "        found:  /opt is missing",
        "        to do:  apply deploy.py once more, then check again; if it stays, show this output to somebody",
        "FAILED  The desktop is ready",
        "        found:  {'x11vnc': 'FATAL'} == {}",
        "        to do:  look into its log, then restart it.",
        "-       The card answers: no GPU",
        "2 of 3 checks FAILED (1 could not be made here): do what `to do` says, the first one first",
    ]
