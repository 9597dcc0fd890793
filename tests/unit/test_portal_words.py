"""What a person calls things: logs, links, services that ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from visomaster_host.portal.report import Readiness, Sources, report
from visomaster_host.portal.words import Words
from visomaster_host.runs import End
from visomaster_host.service import Result
from visomaster_host.services import known

WORDS = Words(known().values())
END = End(
    count=3,
    at=5000.0,
    how="exit status 1",
    words="x",
    cause="",
    log="/var/log/portal/visomaster_app_err.log",
    again=True,
)


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("visomaster_app.log", "The program's output"),
        ("visomaster_app_err.log", "The program's errors"),
        ("x11vnc.log", "The screen (VNC)"),
        ("supervisor/supervisord.log", "Starts and stops (supervisord)"),
        ("caddy.log.1", "The portal (Caddy), older (1)"),
        ("of_somebody.log", ""),
        ("of_somebody.log.1", ""),
    ],
)
def test_logs(path: str, title: str) -> None:
    assert WORDS.log(path) == title


def test_each_service_has_a_title_and_each_log_one_of_its_own() -> None:
    """Two services of one host are not called the same; the two VNC servers are never on one host."""
    assert [name for name, service in known().items() if not service.title] == []
    titles = [service.title for name, service in known().items() if name != "x11vnc"]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("visomaster_app ended by SIGSEGV: x", "The program ended by SIGSEGV: x"),
        (
            "no window; visomaster_app was killed for memory and visomaster_app ended: start visomaster_app",
            "no window; the program was killed for memory and the program ended: start visomaster_app",
        ),
        ("my_visomaster_app ended", "my_visomaster_app ended"),
        ("the portal ended", "the portal ended"),
    ],
)
def test_services_that_ended(text: str, said: str) -> None:
    assert WORDS.said(text) == said


def test_what_nobody_knows_keeps_its_name() -> None:
    words = Words()
    assert words.said("visomaster_app ended") == "visomaster_app ended"
    assert words.log("visomaster_app.log") == words.page("VNC") == ""
    assert not words.is_of_program("visomaster_app.log")


def test_one_service_is_the_program() -> None:
    """The screen holds a person's work as well, and is none."""
    assert [name for name, service in known().items() if service.is_program] == ["visomaster_app"]


def sources(folder: Path, *, good: bool, end: End | None, detail: str = "no window 'VisoMaster'") -> Sources:
    checks = (Result(name="program", ok=good, detail=detail),)
    return Sources(
        readiness=Readiness(lambda: checks),
        fetch=folder / "none",
        lease=folder / "none",
        description=folder / "none",
        host=folder / "none",
        folders={},
        ends=lambda: ["visomaster_app ended 3 times", "x11vnc ended"],
        end_of=lambda name: end if name == "visomaster_app" else None,
        words=WORDS,
        machine=dict,
    )


def test_how_the_program_ended_is_told_once_where_it_is_missed(tmp_path: Path) -> None:
    """With the page of the log that says more; what else ended is told as before."""
    found = report(sources(tmp_path, good=False, end=END))
    assert found["ended"]["log"] == "visomaster_app_err.log" and found["ended"]["title"] == "The program's errors"
    assert found["ends"] == ["The screen (VNC) ended"]
    back = report(sources(tmp_path, good=True, end=END))
    assert back["ended"] is None
    assert back["ends"] == ["The program ended 3 times", "The screen (VNC) ended"]
    assert report(sources(tmp_path, good=False, end=None))["ended"] is None


def test_the_guides_names_have_a_title_and_others_stay(tmp_path: Path) -> None:
    """Also where a person's own PORTAL_CONFIG gives a local service one of these names."""
    (tmp_path / "portal.json").write_text(
        '{"services": [{"name": "AppLogs", "kind": "page"}, {"name": "Mine", "kind": "page"},'
        ' {"name": "VNC", "kind": "service"}]}'
    )
    found = report(
        Sources(
            readiness=Readiness(tuple),
            description=tmp_path / "portal.json",
            folders={},
            machine=dict,
            lease=tmp_path,
            words=WORDS,
        )
    )
    assert [service["title"] for service in found["services"]] == ["The program's output", "", ""]
