"""A service is one file: supervisord, readiness, the portal's pages and the notebook's list have it from there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from visomaster_host import paths, ready, services
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.host import Host, read_host
from visomaster_host.portal import config, render
from visomaster_host.portal.pages import templates_in
from visomaster_host.portal.report import Readiness, Sources, report
from visomaster_host.problems import Problem

from operations.file import rendered
from spec.here import local
from spec.settings import read_settings
from spec.slices import host_facts
from tasks.services import PROGRAM, made_from

SOURCE = '''
"""A service that is thrown away."""

from pathlib import Path

from visomaster_host.service import Check, Launch, Link, Service

SERVICE = Service(
    name="thrown_away",
    launch=lambda host: Launch(argv=("sleep", host.geometry)),
    priority=33,
    log=Path("/var/log/portal/thrown_away.log"),
    checks=(Check(name="throwing", probe=lambda host: f"thrown at {host.port}"),),
    links=(Link(name="Thrown", path="/logs/thrown_away.log", place=35),),
)
'''


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one file, in a folder of its own; nothing else is touched."""
    (tmp_path / "thrown_away.py").write_text(SOURCE)
    for left in (".#thrown_away.py", "thrown_away (copy).py", "thrown_away.py~"):  # by editors
        (tmp_path / left).write_text("no Python")
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(tmp_path)])
    services.known.cache_clear()
    yield
    services.known.cache_clear()


@pytest.fixture
def host_json(added: None, tmp_path: Path) -> Path:
    """What the deploy writes of a host, which all else goes by."""
    settings = read_settings({"variant": "alt", "application": "sandbox"})
    path = tmp_path / "host.json"
    path.write_text(host_facts(settings).as_json())
    return path


def test_supervisord_runs_it(added: None) -> None:
    for access in Access:
        wanted = services.services_for(access, ModelsAt.BUILD)
        assert [each.priority for each in wanted] == sorted(each.priority for each in wanted)
        service = next(each for each in wanted if each.name == "thrown_away")
        lines = rendered(PROGRAM, service=service, made_from=made_from(service, "{}", 1)).splitlines()
        assert "[program:thrown_away]" in lines
        assert "command=/usr/local/bin/visomaster-service thrown_away" in lines
        assert "stdout_logfile=/var/log/portal/thrown_away.log" in lines


def test_the_notebook_lists_it(host_json: Path) -> None:
    """Its cells go by `HOST["services"]`."""
    assert "thrown_away" in json.loads(host_json.read_text())["services"]


@pytest.fixture
def asked_alone(host_json: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Here runs no other one."""
    host = read_host(host_json)
    checks = [each for each in ready.checks_for(host) if each[1] == "thrown_away"]
    monkeypatch.setattr(ready, "checks_for", lambda host: checks)
    return host


def test_readiness_knows_it(host_json: Path) -> None:
    """It stands where its service does, after the window manager's."""
    names = [check.name for check, _ in ready.checks_for(read_host(host_json))]
    assert names == [
        "screen",
        "vnc",
        "sound",
        "window manager",
        "throwing",
        "connection",
        "sharp picture",
        "port",
        "portal",
        "files",
        "program",
        "folders",
    ]


def test_readiness_asks_it(asked_alone: Host) -> None:
    assert [(result.name, result.detail) for result in ready.look(asked_alone)] == [("throwing", "thrown at 11111")]


def test_the_portals_pages_show_it(asked_alone: Host, host_json: Path, tmp_path: Path) -> None:
    """What the status page's script is given, and a link on the index."""
    offered = config.offered(services.services_of(asked_alone))
    (tmp_path / "portal.json").write_text(json.dumps({"services": render.links(offered)}))
    sources = Sources(
        readiness=Readiness(lambda: tuple(ready.look(asked_alone))),
        fetch=tmp_path / "none",
        description=tmp_path / "portal.json",
        host=host_json,
        folders={},
    )
    found = report(sources)
    assert {"name": "throwing", "ok": True, "detail": "thrown at 11111"} in found["checks"]
    pages = templates_in(local(paths.PORTAL_SHARE) / "templates")
    assert "thrown at 11111" in pages.get_template("status.html.j2").render(root="..", nonce="n", report=found)
    index = pages.get_template("index.html.j2").render(root=".", nonce="n", report=found)
    assert '<a href="./logs/thrown_away.log">Thrown</a>' in index
    assert index.index("VNCLogs") < index.index("Thrown") < index.index("CaddyLogs")


def test_a_host_that_has_a_service_its_programs_do_not_know_says_so(host_json: Path) -> None:
    """The deploy ended between the host's description and its programs, or the other way round."""
    facts = json.loads(host_json.read_text())
    host_json.write_text(json.dumps({**facts, "services": [*facts["services"], "of_tomorrow"]}))
    with pytest.raises(Problem, match=r"host\.json: services of_tomorrow are unknown .* deploy it again"):
        services.services_of(read_host(host_json))


def test_each_file_is_called_as_its_service() -> None:
    """supervisord's files name it."""
    for name, service in services.known().items():
        assert service.launch.__module__ == f"visomaster_host.services.{name}"
        assert service.log.name.removesuffix(".log") in (name, "caddy", "x11vnc")
