"""Fixtures of the end-to-end tests: one engine, one base, one bake and one asset server for all modules."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from sandbox import assets, base, desktop, engine
from sandbox.shell import CACHE
from tests.e2e.machine import Container, container, docker


@pytest.fixture(scope="session", autouse=True)
def engine_going() -> None:
    """A Docker engine that answers, and its client first on PATH for pyinfra's own connector."""
    client = engine.ensure_engine()
    os.environ["DOCKER"] = client
    os.environ["PATH"] = f"{Path(client).parent}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def base_image() -> str:
    """A plain distribution image."""
    return base.base_image("bookworm")


@pytest.fixture(scope="session")
def asset_server() -> Iterator[str]:
    """The asset server's address for containers; removed at the end unless `make up` runs a desktop, or other tests
    run beside these.
    """
    with (CACHE / "assets.users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        assets.up()
        yield assets.bridge_url()
        if _is_last(users) and not docker("ps", "--quiet", "--filter", f"label={desktop.UP_LABEL}"):
            assets.down()


def _is_last(users: TextIO) -> bool:
    """Whether nobody else holds `users`."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="session")
def settings(asset_server: str) -> tuple[str, ...]:
    """pyinfra's arguments for the default variant with the sandbox's application."""
    return tuple(desktop.data("default", asset_server))


@pytest.fixture(scope="session")
def baked(asset_server: str) -> str:
    """The default variant baked with `@bake` on bookworm: the very image `make up` runs."""
    return desktop.bake("default")


@pytest.fixture(scope="session")
def running(baked: str) -> Iterator[Container]:
    """A ready desktop of the default variant, its VNC port published on a free port of this machine."""
    with container(baked, "--publish=127.0.0.1::5901") as box:
        box.wait_ready()
        yield box
