"""The host under test says itself what it is; these tests hold it to that.

`make verify HOST=…`, or `pytest tests/host --hosts=docker://NAME` (`paramiko://root@HOST:PORT`, `ssh://HOST`, `local://`),
as root. Each check is a line of plain words: the first line of the test's docstring; of one that fails, what was found
and, from the docstring's paragraph "If not: …", what to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from visomaster_host import paths
from visomaster_host.choices import ModelsAt
from visomaster_host.host import Host, parse_host
from visomaster_host.service import Service
from visomaster_host.services import services_for

from tests.host import clean, plain, reached
from tests.host.described import missing

LEFT_OUT = pytest.StashKey[tuple[str, ...]]()

READY_WITHIN = {ModelsAt.BUILD: 120, ModelsAt.START: 3600}
"""Seconds for a desktop that is just being started. Models that are fetched at start are several GB."""


def pytest_configure(config: pytest.Config) -> None:
    """Reach hosts as the deploy does: by the same ssh config, through the same jump hosts, with the same host keys, and
    whatever their logins say.
    """
    clean.attend()
    reached.attend(config.option.hosts)
    if config.option.verbose <= 0:
        config.pluginmanager.register(plain.Report(config), "plain-report")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Give each test's report the words of its docstring."""
    report: Any = yield
    report.check = plain.check_of(item, call)
    plain.clean(report)
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, with one line each, the hosts of which nothing can be said; the others are checked."""
    hosts = {plain.name_of(item): host for item in items if (host := plain.host_of(item))}
    problems = {name: problem for name, host in hosts.items() if (problem := reached.problem(host))}
    items[:] = [item for item in items if plain.name_of(item) not in problems]
    for problem in problems.values():
        config.pluginmanager.getplugin("terminalreporter").write_line(problem, red=True)
    config.stash[LEFT_OUT] = tuple(problems)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A host that was left out is not as it should be."""
    if session.config.stash.get(LEFT_OUT, ()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="module")
def described(host: Any) -> Host:
    """The host's own description."""
    return parse_host(host.file(str(paths.HOST)).content_string)


@pytest.fixture(scope="module")
def services(described: Host) -> tuple[Service, ...]:
    """What a host of its kind runs, whatever it says itself."""
    return services_for(described.access, described.models, described.screen)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-gpu`: what does not work without a GPU is not expected to. `--gpu`: what needs one is not left out."""
    parser.addoption("--gpu", action="store_true", help="the host has a GPU: one that has none fails")
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
