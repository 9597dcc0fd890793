"""What others say to the tools of this project is shown; no terminal acts on it. Each place is used as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from locks import __main__ as lock
from operations.remote import conda_environment
from operations.remote.conda_progress import say
from release import image
from sandbox import desktop, shell
from spec import manifest
from spec.application import load_application
from spec.here import GUIDE, ROOT
from tests.hostile import HOSTILE, harmless, one_line
from tests.unit.foreign_text import every_kind, said

# -- Docker, the sandbox, the release


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A Docker client that says a text on both streams and fails."""

    def saying(text: str) -> Path:
        (tmp_path / "text").write_bytes(text.encode() + b"\n\xff\xfe\n")
        client = tmp_path / "docker"
        client.write_text(f"#!/bin/sh\ncat {tmp_path}/text; cat {tmp_path}/text >&2; exit 1\n")
        client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("DOCKER", str(client))
        return client

    return saying


@every_kind
def test_docker_in_the_sandbox(text: str, docker: Callable[[str], Path], capfd: pytest.CaptureFixture[str]) -> None:
    client = docker(f"error: {text}")
    with pytest.raises(shell.SandboxError) as caught:
        shell.run([client, "ps"], timeout=20)
    one_line(str(caught.value))
    shell.say(f"error: {text}")
    with shell.step(f"building {text}"):
        harmless(said(capfd))


@every_kind
@pytest.mark.parametrize("capture", [True, False])
def test_docker_in_the_release(
    text: str, capture: bool, docker: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    docker(text)
    with pytest.raises(image.ReleaseError):
        image._docker(["logs", "box"], capture=capture, text="FROM scratch")
    harmless(said(capfd))


@every_kind
def test_the_log_of_a_desktop(
    text: str, docker: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`make logs` and `make password`."""
    client = docker(text)
    monkeypatch.setattr(desktop, "docker_command", lambda: str(client))
    with pytest.raises(SystemExit) as left:
        desktop.show("logs", "--follow", "box")
    assert left.value.code == 1
    with pytest.raises(shell.SandboxError):
        desktop.wait("box")
    harmless(said(capfd))


@every_kind
def test_a_solver_that_runs_here(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`make lock`: what a channel says."""

    def run(request: object) -> int:
        say(text)
        return conda_environment._failed(text)

    monkeypatch.setattr(conda_environment, "run", run)
    application = load_application("sandbox")
    assert lock.lock_environment(application.environment, tmp_path / "lock", mirrors={}, platform="linux-64") == 1
    harmless(said(capfd))


@every_kind
def test_a_checkout_that_models_are_read_from(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`make manifest`: names in somebody's source."""
    source = tmp_path / manifest.SOURCE
    source.parent.mkdir(parents=True)
    source.write_text(f"models_list = [{{'model_name': {text!r}, 'local_path': 'x'}}]\n")
    manifest.main([str(tmp_path)])
    harmless(said(capfd))


# -- checks of a host, the notebook

SUITE = '''
def test_it():
    """The program is there."""
    text = open("{text}", newline="").read()
    print(text)
    raise AssertionError(text)
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
    plain.clean(report)
    return report
"""


def test_what_make_verify_has_found(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for number, text in enumerate(HOSTILE.values()):
        (tmp_path / f"text{number}").write_bytes(text.encode())
        (tmp_path / f"test_{number}.py").write_text(SUITE.replace("{text}", str(tmp_path / f"text{number}")))
    words = ["-m", "pytest", "-qq", "-rN", "--no-header", "-p", "no:cacheprovider", "--rootdir", tmp_path]
    done = subprocess.run([sys.executable, *words, tmp_path], cwd=ROOT, capture_output=True, check=False)
    shown = done.stdout.decode()
    assert shown.count("found:  ") == shown.count("Captured stdout") == len(HOSTILE)
    harmless(shown)


@every_kind
def test_the_notebook(text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a program prints, what a check found, and the end of a log."""
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(GUIDE.read_text())["cells"]}
    names: dict[str, Any] = {}
    exec(cells["start"], names)
    (tmp_path / "x.log").write_bytes(text.encode() + b"\n")
    names["LOGS"] = (str(tmp_path),)
    exec(cells["logs"], names)
    assert names["follow"]("cat", str(tmp_path / "x.log"))
    names["begin"]("set-up")
    names["ok"](text), names["note"](text), names["fault"](text, repair="set-up")
    exec(cells["summary"], names)
    harmless(said(capfd).replace("\x1b[1;31mFAULT\x1b[0m", ""))
