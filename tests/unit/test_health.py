"""When a container that is not ready counts as healthy: while the models of its first start arrive."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from visomaster_host import health, paths, ready
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.fetch.manifest import ModelFile
from visomaster_host.fetch.progress import Board, Reporter
from visomaster_host.host import Host
from visomaster_host.service import Result
from visomaster_host.services import services_for

from tests.unit.test_host_facts import host

NOW = 1_800_000_000.0
FETCHES = host(
    access="portal",
    models="start",
    port=11111,
    tls_port=11443,
    services=tuple(service.name for service in services_for(Access.PORTAL, ModelsAt.START)),
)
ARRIVING = {"schema": 1, "status": "running", "bytes_done": 5_000_000, "progressed": NOW - 20, "updated": NOW - 1}


def results(*missing: str, at: Host = FETCHES) -> list[Result]:
    """What the checks of a host find where these parts are missing."""
    return [Result(name=check.name, ok=check.name not in missing) for check, _ in ready.checks_for(at)]


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fetch's state file, which is not there yet."""
    monkeypatch.setattr(paths, "FETCH_STATE", tmp_path / "fetch.json")
    return tmp_path / "fetch.json"


def test_a_slow_fetch_is_healthy_however_long_it_takes(fetch: Path) -> None:
    fetch.write_text(json.dumps(ARRIVING))
    said = health.excuse(FETCHES, results("models", "program"), NOW)
    assert said == "healthy: models are being fetched, 5 MB are there"


@pytest.mark.parametrize(
    "changed",
    [
        {"progressed": NOW - health.PROGRESS_WITHIN},
        {"updated": NOW - health.ALIVE_WITHIN},
        {"status": "failed"},
        {"status": "done", "updated": NOW - health.THERE_WITHIN},
        {"progressed": None},
        {"updated": "now"},
    ],
    ids=["stuck", "gone", "failed", "long done", "no progress", "damaged"],
)
def test_one_that_is_stuck_or_failed_is_not(fetch: Path, changed: dict[str, object]) -> None:
    fetch.write_text(json.dumps({**ARRIVING, **changed}))
    assert health.excuse(FETCHES, results("models", "program"), NOW) is None


def test_one_that_has_not_begun_is_not(fetch: Path) -> None:
    """The start's own time covers it."""
    assert health.excuse(FETCHES, results("models", "program"), NOW) is None
    for text in ("", "[]", "[" * 10_000):
        fetch.write_text(text)
        assert health.excuse(FETCHES, results("models", "program"), NOW) is None


def test_the_program_has_its_time_after_the_fetch(fetch: Path) -> None:
    fetch.write_text(json.dumps({**ARRIVING, "status": "done", "updated": NOW - 60}))
    assert health.excuse(FETCHES, results("program"), NOW) == "healthy: the models are there, the program starts"


@pytest.mark.parametrize("missing", ["screen", "vnc", "port", "portal", "window manager"])
def test_a_fetch_excuses_nothing_else(fetch: Path, missing: str) -> None:
    fetch.write_text(json.dumps(ARRIVING))
    assert health.excuse(FETCHES, results("models", "program", missing), NOW) is None


def test_a_host_that_has_its_models_has_no_excuse(fetch: Path) -> None:
    fetch.write_text(json.dumps({**ARRIVING, "progressed": NOW - 1000}))
    assert health.excuse(host(), results("program", at=host()), NOW) is None


@pytest.mark.parametrize(("missing", "status"), [((), 0), (("models", "program"), 0), (("screen",), 1)])
@pytest.mark.parametrize("report", [ready.print_lines, ready.print_json])
def test_the_check_says_so_by_its_status(
    fetch: Path, missing: tuple[str, ...], status: int, report: ready.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is asked for lines or for JSON; what is ready needs no excuse."""
    fetch.write_text(json.dumps(ARRIVING))
    monkeypatch.setattr(ready, "look", lambda host: results(*missing))
    monkeypatch.setattr(ready.time, "time", lambda: NOW)
    assert ready.tell_health(FETCHES, report) == status


def test_an_engine_waits_for_no_health(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        ready.main(["--health", "--wait", "1"])
    assert "not allowed with" in capsys.readouterr().err


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    """One file of 100 bytes, and a clock that begins at NOW and is set by `at`."""
    at(monkeypatch, NOW)
    return new_board(NOW)


def new_board(now: float) -> Board:
    file = ModelFile(path="model_assets/a", url="https://a.invalid/a", sha256="0" * 64, size=100, group="required")
    board = Board.of([file])
    board.progressed = now
    return board


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr("visomaster_host.fetch.progress.time.time", lambda: seconds)


def test_progress_is_more_bytes_than_before(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, done, progressed in ((10, 50, 10), (20, 50, 10), (30, 60, 30), (40, 0, 30), (50, 10, 50)):
        at(monkeypatch, NOW + seconds)
        board.entries[0].done = done
        board.sample()
        assert board.progressed == NOW + progressed, "a file that is begun anew counts from there"


@pytest.mark.parametrize(("status", "progressed"), [("failed", 0), ("running", 0), ("done", 100)])
def test_a_try_that_finds_what_the_last_one_had_makes_no_progress(
    board: Board, fetch: Path, status: str, progressed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetch that fails again and again begins again and again."""
    board.entries[0].done = 50
    board.sample()
    fetch.write_text(json.dumps(board.as_json(status)))
    at(monkeypatch, NOW + 100)
    second = new_board(NOW + 100)
    Reporter(second, io.StringIO(), fetch)
    for done in (20, 50):
        second.entries[0].done = done
        second.sample()
    assert second.progressed == NOW + progressed
    second.entries[0].done = 51
    second.sample()
    assert second.progressed == NOW + 100
