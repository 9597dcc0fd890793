"""The project's own environment is made where it belongs, whatever a person's variables say to pip."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sandbox import venv


def test_pip_installs_into_it_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real pip is asked what it makes of the variables that it gets."""
    monkeypatch.setattr(venv, "FOLDER", tmp_path / "environment")
    monkeypatch.setattr(venv, "INSTALLED", tmp_path / "installed")
    ours = {f"PIP_{option}" for option in venv.ELSEWHERE}
    for name in ours:
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    given = []

    def run(words: Sequence[object], *, environment: Mapping[str, str] | None = None, **_: object) -> str:
        given.append((list(map(str, words)), environment))
        return ""

    monkeypatch.setattr(venv, "run", run)
    venv.make()
    assert [words[1:3] for words, _ in given] == [["-I", "-m"], *[["--disable-pip-version-check", "install"]] * 2]
    monkeypatch.delenv("PYTHONHOME")
    for _, environment in given[1:]:
        assert environment is not None
        assert {name for name in os.environ if name.startswith("PIP_") and environment.get(name) == ""} == ours
        assert pip_starts(environment)
    assert not pip_starts({}), "it takes notice of those that are not empty"


def pip_starts(environment: Mapping[str, str]) -> bool:
    """Whether pip runs, with these variables beside those of this process: one of them names another Python."""
    command = [sys.executable, "-m", "pip", "--version"]
    variables = {**os.environ, "PIP_CONFIG_FILE": os.devnull, **environment}
    return subprocess.run(command, env=variables, capture_output=True, check=False).returncode == 0
