"""The host under test says itself what it is; these tests hold it to that.

`pytest tests/host --hosts=docker://NAME` (or `paramiko://root@HOST:PORT`, `ssh://HOST`, `local://`), as root.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from spec import paths
from spec.service import services_for
from spec.variant import Access, ModelsAt
from tests.host.described import Described


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


@pytest.fixture(scope="module")
def running(host: Any) -> None:
    """A host whose desktop is ready: started where it was not, waited for with a bound."""
    started = host.run("visomaster-start && visomaster-ready --wait 120")
    assert started.rc == 0, started.stdout + started.stderr
