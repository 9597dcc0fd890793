"""What a running service is restarted for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from visomaster_host import paths, services
from visomaster_host.services import known

from spec import closure, here
from spec.here import FILES
from tasks.services import made_from


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
    before = {name: made_from(service, "{}", 11111) for name, service in known().items()}
    with here.local(path).open("a") as file:
        file.write("# other\n")
    return {name for name, service in known().items() if made_from(service, "{}", 11111) != before[name]}


def test_another_description_of_the_host_restarts_all() -> None:
    for service in known().values():
        assert made_from(service, '{"port": 1}', 1) != made_from(service, '{"port": 2}', 2)
        assert made_from(service, "{}", 11111) == made_from(service, "{}", 11111)


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
        (paths.PACKAGE / "host.py", set(known()) - {"visomaster_front"}),
        (paths.PACKAGE / "run_service.py", set(known()) - {"visomaster_front"}),
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
    assert made_from(front, '{"commit": "a"}', 11111) == made_from(front, '{"commit": "b"}', 11111)
