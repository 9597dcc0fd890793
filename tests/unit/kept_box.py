"""A host's folders elsewhere, with a program that keeps things of every kind."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from visomaster_host import paths
from visomaster_host.host import Host
from visomaster_host.kept import at_start
from visomaster_host.kept_entry import Kept

from tests.unit.test_host_facts import host

STATE = (
    Kept(path="presets", folder=True),
    Kept(path="last_workspace.json", folder=False),
    Kept(path="settings.json", folder=False, seed="first"),
    Kept(path="tensorrt-engines", folder=True, by="gpu"),
)
OLD = 1_500_000_000


class Box:
    """A host's folders below another root; the workspace may be on another file system, as far as renames tell."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        self.program, self.workspace, self.home = root / "program", root / "workspace", root / "home"
        for folder in (self.program, self.workspace, self.home):
            folder.mkdir()
        places = {"PROGRAM": self.program, "WORKSPACE": self.workspace, "HOME": self.home, "ENVIRONMENT": root / "env"}
        places |= {"INPUT": self.workspace / "in", "OUTPUT": self.workspace / "out", "KEPT": self.workspace / "state"}
        for name, path in {**places, "NVIDIA_CARDS": root / "cards", "APPLICATION_PID": root / "pid"}.items():
            monkeypatch.setattr(paths, name, path)
        monkeypatch.setattr(paths, "SYSTEM_PATH", str(root / "bin"))
        self.state = self.workspace / "state/sandbox"

    @property
    def host(self) -> Host:
        return host(state=STATE)

    def write(self, path: str, content: str, *, when: int = OLD) -> Path:
        """A file, by its path below the root."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        os.utime(place, (when, when))
        return place

    def start(self) -> None:
        """The program is started."""
        at_start.prepare(self.host)

    def new_container(self) -> None:
        """Another container with the same volume."""
        shutil.move(self.program, self.root / f"gone{time.monotonic_ns()}")
        self.program.mkdir()

    def apart(self) -> None:
        """Have the workspace be another file system, and the program's folders an image's, which overlays do not
        rename."""
        for name in ("rename", "link"):
            real = getattr(os, name)

            def refuse(source: Any, place: Any, *, _real: Callable[..., None] = real, **how: Any) -> None:
                sides = [os.fspath(path).startswith(str(self.workspace)) for path in (source, place)]
                if sides[0] != sides[1] or (not sides[0] and stat.S_ISDIR(os.lstat(source).st_mode)):
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
                _real(source, place, **how)

            self.monkeypatch.setattr(os, name, refuse)

    def contents(self, *, without: str = "linked") -> Counter[str]:
        """The sha256 of every file, wherever it is."""
        files = [path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink()]
        return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.name != without)

    def texts(self, folder: Path) -> dict[str, str]:
        """Every visible file below `folder` with its content."""
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return {path.relative_to(folder).as_posix(): path.read_text() for path in files}

    def require_linked(self) -> None:
        """Every link leads where it should."""
        for entry in STATE:
            home = self.state / entry.path / ("no-gpu" if entry.by else "")
            assert (self.program / entry.path).readlink() == home
            assert home.is_dir() is entry.folder


@pytest.fixture(params=["together", "apart"])
def box(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A box whose program and workspace are on one file system, or on two."""
    made = Box(tmp_path, monkeypatch)
    if request.param == "apart":
        made.apart()
    return made


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A box on one file system."""
    return Box(tmp_path, monkeypatch)
