"""The Docker client that images are built with: the one that `make up` finds, wherever another is first on PATH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from release import image
from sandbox import engine


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was found is asked for anew."""
    engine.docker_command.cache_clear()
    yield
    engine.docker_command.cache_clear()


def client(folder: Path, version: str, buildx: int) -> Path:
    """A client of `version`, whose plug-in for builds answers with the status `buildx`."""
    folder.mkdir()
    program = folder / "docker"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in\n--version) echo "Docker version {version}, build 0" ;;\n'
        f'buildx) exit {buildx} ;;\n*) echo "{folder.name} $*" ;;\nesac\n'
    )
    program.chmod(0o755)
    return program


def test_one_that_cannot_build_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a tool has brought a bare client of its own."""
    folders = [client(tmp_path / "bare", "28.2.2", 1).parent, client(tmp_path / "whole", "28.2.2", 0).parent]
    monkeypatch.setattr(engine.os, "get_exec_path", lambda: list(map(str, folders)))
    monkeypatch.setattr(engine, "DISTRIBUTION", str(tmp_path / "none"))
    monkeypatch.delenv("DOCKER", raising=False)
    assert image._docker(["build", "."], capture=True) == "whole build .\n"
    assert engine.docker_command() == str(folders[1] / "docker")
    monkeypatch.setenv("DOCKER", str(folders[0] / "docker"))
    assert image._docker(["build", "."], capture=True) == "bare build .\n", "a person may know better"


def test_where_none_can_build_it_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = client(tmp_path / "bare", "28.2.2", 1).parent
    monkeypatch.setattr(engine.os, "get_exec_path", lambda: [str(folder)])
    monkeypatch.setattr(engine, "DISTRIBUTION", str(tmp_path / "none"))
    monkeypatch.delenv("DOCKER", raising=False)
    with pytest.raises(
        image.ReleaseError, match=r"^docker: no Docker client here can build with BuildKit: run `python3"
    ):
        image._docker(["build", "."])
