"""Fixtures of the drills: one engine, one asset server and one baked image for all; a box each, removed at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox import assets, desktop, engine
from tests.drills.box import Box
from tests.e2e.machine import container, docker

MakeBox = Callable[..., Box]


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    """A Docker engine that answers, and its client first on PATH for pyinfra's own connector."""
    client = engine.ensure_engine()
    os.environ["DOCKER"] = client
    os.environ["PATH"] = f"{Path(client).parent}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def asset_server() -> Iterator[str]:
    """The asset server's address for containers; removed at the end unless `make up` runs a desktop."""
    assets.up()
    yield assets.bridge_url()
    if not docker("ps", "--quiet", "--filter", f"label={desktop.UP_LABEL}"):
        assets.down()


@pytest.fixture(scope="session")
def baked(asset_server: str) -> str:
    """The default variant baked on bookworm: the very image `make up` runs."""
    return desktop.bake("default")


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
