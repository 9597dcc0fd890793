"""The host under test says itself what it is; these tests hold it to that.

`pytest tests/host --hosts=docker://NAME` (or `paramiko://root@HOST:PORT`, `ssh://HOST`, `local://`), as root.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from spec import paths
from spec.service import services_for
from spec.variant import Access, ModelsAt
from tests.host.described import Described, missing

READY_WITHIN = {ModelsAt.BUILD: 120, ModelsAt.START: 3600}
"""Seconds. Models that are fetched at start are several GB."""


@pytest.fixture(scope="module")
def described(host: Any) -> Described:
    """The host's own description. Fails, not skips, on a host that was never set up."""
    facts = host.file(paths.HOST_FACTS)
    assert facts.exists, f"{paths.HOST_FACTS} is missing: this host was not set up by deploy.py"
    table = json.loads(facts.content_string)
    access, models = Access(table["access"]), ModelsAt(table["models"])
    return Described(
        application=table["application"],
        window_title=table["window_title"],
        access=access,
        models=models,
        port=table["port"],
        services=services_for(access, models),
        manifest=json.loads(host.file(paths.MANIFEST).content_string)["files"],
        cuda_libraries=tuple(table["cuda_libraries"]),
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-gpu`: what does not work without a GPU is not expected to."""
    parser.addoption("--no-gpu", action="store_true", help="the host has no GPU, and its program needs one")


@pytest.fixture(scope="session")
def unexpected(request: pytest.FixtureRequest) -> frozenset[str]:
    """The parts of the host that cannot work where it is tested. Nothing else is left out."""
    return frozenset({"application"} if request.config.getoption("--no-gpu") else set())


@pytest.fixture(scope="module")
def running(host: Any, described: Described, unexpected: frozenset[str]) -> None:
    """A host whose desktop is ready: started where it was not, waited for with a bound."""
    started = host.run("visomaster-start")
    assert started.rc == 0, started.stdout + started.stderr
    deadline = time.monotonic() + READY_WITHIN[described.models]
    while lacking := missing(host) - unexpected:
        assert time.monotonic() < deadline, f"missing: {', '.join(sorted(lacking))}"
        time.sleep(0.5)
