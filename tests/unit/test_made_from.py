"""What a running service is restarted for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from visomaster_host.services import known

from spec import here
from spec.here import FILES
from tasks.services import made_from

FRONT, XVFB, FLUXBOX, CADDY = (known()[name] for name in ("visomaster_front", "xvfb", "fluxbox", "visomaster_caddy"))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is installed, to be edited."""
    copy = tmp_path / "files"
    shutil.copytree(FILES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(here, "FILES", copy)
    return copy


def restarted(files: Path, edited: str) -> set[str]:
    """The services, of four, that an edit of a file restarts."""
    table = (FRONT, XVFB, FLUXBOX, CADDY)
    before = {service.name: made_from(service, "{}", 11111) for service in table}
    (files / edited).write_text("other")
    return {service.name for service in table if made_from(service, "{}", 11111) != before[service.name]}


def test_another_description_of_the_host_restarts_all() -> None:
    for service in (FRONT, XVFB, FLUXBOX, CADDY):
        assert made_from(service, '{"port": 1}', 1) != made_from(service, '{"port": 2}', 2)
        assert made_from(service, "{}", 11111) == made_from(service, "{}", 11111)


def test_an_edit_restarts_those_who_read_it(files: Path) -> None:
    """A page that changes is no reason to end the program a person works with."""
    assert restarted(files, "usr/local/lib/visomaster/visomaster_host/services/x11vnc.py") == {
        "xvfb",
        "fluxbox",
        "visomaster_caddy",
    }
    assert restarted(files, "usr/local/share/visomaster/portal/Caddyfile") == {"visomaster_caddy"}
    assert restarted(files, "etc/visomaster/fluxbox/menu") == {"fluxbox"}
    assert restarted(files, "usr/local/share/visomaster/front/haproxy.cfg") == {"visomaster_front"}


def test_whatever_else_is_updated_the_port_is_held() -> None:
    """While nobody listens on it, the program's user could, and would be given the token."""
    assert made_from(FRONT, '{"commit": "a"}', 11111) == made_from(FRONT, '{"commit": "b"}', 11111)
