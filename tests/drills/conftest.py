"""Fixtures of the drills: one engine, one asset server and one baked image for all; a box each, removed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sandbox import desktop
from tests.drills.box import Box
from tests.e2e.conftest import asset_server, baked, engine_going
from tests.e2e.machine import container

__all__ = ["asset_server", "baked", "engine_going"]

ALONE = "test_flood.py"
"""It measures how soon the portal answers: when nothing else is running any more."""

MakeBox = Callable[..., Box]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What measures comes last."""
    items.sort(key=lambda item: item.path.name == ALONE)


@pytest.fixture(scope="module")
def make_box(baked: str, asset_server: str) -> Iterator[MakeBox]:
    """Makes boxes of the baked image: `make_box(*docker_run_options, command=…)`."""
    with ExitStack() as boxes:

        def make(*options: str, command: tuple[str, ...] = ()) -> Box:
            box = boxes.enter_context(container(baked, *options, command=command))
            return Box(name=box.name, settings=tuple(desktop.data("default", asset_server)))

        yield make


@pytest.fixture(scope="module")
def resting(make_box: MakeBox) -> Box:
    """A box that has everything and runs nothing: what a good earlier run left."""
    return make_box("--entrypoint=sleep", command=("infinity",))
