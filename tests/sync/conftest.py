"""One sshd for all tests of the folder that goes along; each has folders of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sync.rig import Box, box


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box(tmp_path_factory.mktemp("box")) as found:
        yield found


@pytest.fixture
def rented(shared: Box, tmp_path: Path) -> Box:
    """The box of all tests, with folders of this one."""
    there = tmp_path / "there"
    for part in ("in", "out", "state"):
        (there / part).mkdir(parents=True)
    return replace(shared, there=there, here=tmp_path / "here", said=[], paused=[])
