"""The host under test says itself what it is; these tests hold it to that.

`make verify HOST=…`, or `pytest tests/host --hosts=docker://NAME` (`paramiko://root@HOST:PORT`, `ssh://HOST`, `local://`),
as root. Each check is a line of plain words: the first line of the test's docstring; of one that fails, what was found
and, from the docstring's paragraph "If not: …", what to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import paramiko
import pytest
from visomaster_host import paths
from visomaster_host.choices import ModelsAt
from visomaster_host.host import Host, parse_host
from visomaster_host.service import Service
from visomaster_host.services import services_for
from visomaster_host.text import brief

from connectors import transport
from tests.host import clean, plain
from tests.host.described import missing

READY_WITHIN = {ModelsAt.BUILD: 120, ModelsAt.START: 3600}
"""Seconds for a desktop that is just being started. Models that are fetched at start are several GB."""


def pytest_configure(config: pytest.Config) -> None:
    """Reach hosts as the deploy does: quickly, with the host keys it has met, and whatever their logins say."""
    clean.attend()
    paramiko.SSHClient = transport.Client  # type: ignore[misc] - testinfra offers no other way in
    if config.option.verbose <= 0:
        config.pluginmanager.register(plain.Report(config), "plain-report")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Give each test's report the words of its docstring."""
    report: Any = yield
    report.check = plain.check_of(item, call)
    plain.clean(report)
    return report


@pytest.fixture(scope="module", autouse=True)
def reachable(host: Any) -> None:
    """Ends the whole run with one line when nothing can be said of the host."""
    try:
        user = host.run("id -u")
    except Exception as error:  # of whichever backend
        pytest.exit(brief(f"{host.backend.get_pytest_id()} cannot be reached: {error}"), returncode=1)
    if user.stdout.strip() != "0":
        pytest.exit("the checks need root on the host: use paramiko://root@HOST:PORT, or sudo", returncode=1)
    if not host.file(str(paths.HOST)).exists:
        pytest.exit(f"this host was not set up by deploy.py: {paths.HOST} is missing", returncode=1)


@pytest.fixture(scope="module")
def described(host: Any) -> Host:
    """The host's own description."""
    return parse_host(host.file(str(paths.HOST)).content_string)


@pytest.fixture(scope="module")
def services(described: Host) -> tuple[Service, ...]:
    """What a host of its kind runs, whatever it says itself."""
    return services_for(described.access, described.models)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-gpu`: what does not work without a GPU is not expected to."""
    parser.addoption("--no-gpu", action="store_true", help="the host has no GPU, and its program needs one")


@pytest.fixture(scope="session")
def unexpected(request: pytest.FixtureRequest) -> frozenset[str]:
    """The parts of the host that cannot work where it is tested. Nothing else is left out."""
    return frozenset({"application"} if request.config.getoption("--no-gpu") else set())


@pytest.fixture(scope="session")
def waited_for() -> set[str]:
    """The hosts that have been given their time."""
    return set()


@pytest.fixture(scope="module")
def running(host: Any, described: Host, unexpected: frozenset[str], waited_for: set[str]) -> None:
    """A host whose desktop was started where it was not, and waited for with a bound, once.

    Where it does not come, each check finds for itself what is missing.
    """
    name = host.backend.get_pytest_id()
    if name in waited_for:
        return
    waited_for.add(name)
    host.run("visomaster-start")
    deadline = time.monotonic() + READY_WITHIN[described.models]
    while missing(host).keys() - unexpected and time.monotonic() < deadline:
        time.sleep(0.5)
