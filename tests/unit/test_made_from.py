"""What a running service is restarted for."""

from __future__ import annotations

import ast
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from visomaster_host import paths, services
from visomaster_host.host import Host
from visomaster_host.services import known

from spec import closure, here
from spec.here import FILES
from spec.settings import read_settings
from spec.slices import host_facts
from tasks.services import made_from, started_from


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is installed, to be edited."""
    copy = tmp_path / "files"
    shutil.copytree(FILES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(here, "FILES", copy)
    monkeypatch.setattr(closure, "PACKAGES", (copy / "usr/local/lib/visomaster",))
    monkeypatch.setattr(services, "__path__", [str(here.local(paths.SERVICES))])
    return copy


def restarted(path: Path) -> set[str]:
    """The services that an edit of the host's file `path` restarts."""
    before = {name: made_from(service, "{}", (11111, 11443)) for name, service in known().items()}
    with here.local(path).open("a") as file:
        file.write("# other\n")
    return {name for name, service in known().items() if made_from(service, "{}", (11111, 11443)) != before[name]}


def test_another_description_of_the_host_restarts_all() -> None:
    for service in known().values():
        assert made_from(service, '{"port": 1}', (1,)) != made_from(service, '{"port": 2}', (2,))
        assert made_from(service, "{}", (11111, 11443)) == made_from(service, "{}", (11111, 11443))


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        (paths.PORTAL_SHARE / "Caddyfile", {"portal", "visomaster_caddy"}),
        (paths.FLUXBOX / "menu", {"fluxbox"}),
        (paths.FRONT_CONFIGURATION, {"visomaster_front"}),
        # The portal's pages ask all services, and Caddy shows their links.
        (paths.SERVICES / "x11vnc.py", {"x11vnc", "portal", "visomaster_caddy"}),
        (paths.SERVICES / "visomaster_app.py", {"visomaster_app", "portal", "visomaster_caddy"}),
        (paths.VNC_BRAKE, {"x11vnc"}),
        (paths.PACKAGE / "websockify.py", {"websockify"}),
        (paths.PACKAGE / "limits.py", {"visomaster_app"}),
        (paths.PACKAGE / "portal/pages.py", {"portal"}),
        (paths.PACKAGE / "portal/apply.py", {"visomaster_caddy"}),
        (paths.PACKAGE / "fetch/engine.py", {"visomaster_fetch"}),
        (paths.PACKAGE / "credentials.py", set()),
        (paths.PACKAGE / "host.py", set(known()) - {"visomaster_front", "vnc_gate"}),
        (paths.PACKAGE / "run_service.py", set(known()) - {"visomaster_front", "vnc_gate"}),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
@pytest.mark.usefixtures("files")
def test_an_edit_restarts_those_who_read_it(edited: Path, expected: set[str]) -> None:
    """A page that changes is no reason to end the program a person works with."""
    assert restarted(edited) == expected


def test_whatever_else_is_updated_the_port_is_held() -> None:
    """While nobody listens on it, the program's user could, and would be given the token."""
    front = known()["visomaster_front"]
    assert made_from(front, '{"commit": "a"}', (11111, 11443)) == made_from(front, '{"commit": "b"}', (11111, 11443))


@pytest.mark.parametrize(
    ("variant", "expected"),
    [("default", {"vnc_gate"}), ("s-alt", {"visomaster_front", "visomaster_caddy"})],
)
def test_another_port_restarts_those_who_are_given_it(variant: str, expected: set[str]) -> None:
    """A person goes on with what is open; all else of a description still starts everybody anew."""
    settings = read_settings({"variant": variant, "application": "sandbox"})
    here = host_facts(settings)
    elsewhere, other = replace(here, port=12345), replace(here, window_title="Other")
    restarted = {name for name in here.services if _differs(name, here, elsewhere)}
    assert restarted == expected
    assert not any(known()[name].holds_work for name in restarted)
    steady = {name for name in here.services if known()[name].steady}
    assert {name for name in here.services if _differs(name, here, other)} == set(here.services) - steady


def test_another_state_of_the_program_restarts_that_alone() -> None:
    """The desktop that it is on stays, with whoever looks at it."""
    here = host_facts(read_settings({"variant": "alt", "application": "sandbox"}))
    elsewhere = replace(here, commit="local-0123456789ab")
    assert {name for name in here.services if _differs(name, here, elsewhere)} == {"visomaster_app"}


def _differs(name: str, one: Host, other: Host) -> bool:
    return started_from(known()[name], one) != started_from(known()[name], other)


def test_a_service_that_is_given_the_port_says_so() -> None:
    """Else another port would leave it where it was."""
    for name, service in known().items():
        source = ast.parse(services.source_of(service).read_text())
        launch = {node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute)}
        assert service.public is not None or "port" not in launch, name
