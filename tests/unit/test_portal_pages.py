"""What is behind the portal's pages: logs kept in their folders, checks that run once, right counts."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from visomaster_host import login as logins
from visomaster_host.fetch_state import read_state
from visomaster_host.portal import logs
from visomaster_host.portal.pages import human_size
from visomaster_host.portal.report import Readiness, ready, refused
from visomaster_host.service import Result


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Two folders of logs, and a file beside them that nobody is to see."""
    made = {"": tmp_path / "portal", "supervisor": tmp_path / "supervisor"}
    for folder in made.values():
        folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (made[""] / "app.log").write_text("app")
    (made["supervisor"] / "xvfb.log").write_text("xvfb")
    return made


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            ".",
            "..",
            "../secret",
            "/etc/passwd",
            "app.log/",
            "app.log/..",
            "./app.log",
            "portal/app.log",
        ),
        *(
            "supervisor",
            "supervisor/",
            "supervisor/../app.log",
            "supervisor//xvfb.log",
            ".app.log",
            "app\n.log",
        ),
        *("app.log\0", "x" * 200, "nothing.log"),
    ],
)
def test_only_plain_names_in_the_two_folders(folders: dict[str, Path], path: str) -> None:
    """Everything else is simply not there."""
    with pytest.raises(logs.NoSuchLog):
        logs.open_log(path, folders)


def test_links_pipes_and_folders_are_no_logs(folders: dict[str, Path]) -> None:
    """They are neither listed nor opened, and a pipe does not make the portal wait."""
    folder = folders[""]
    (folder / "link.log").symlink_to(folder.parent / "secret")
    (folder / "inside.log").symlink_to(folder / "app.log")
    os.mkfifo(folder / "pipe.log")
    (folder / "folder.log").mkdir()
    assert [log.path for log in logs.listing(folders)] == ["app.log", "supervisor/xvfb.log"]
    for name in ("link.log", "inside.log", "pipe.log", "folder.log"):
        with pytest.raises(logs.NoSuchLog):
            logs.open_log(name, folders)


def test_a_log_that_is_rotated_away_meanwhile_is_left_out(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """supervisord renames its logs whenever one is full."""
    scan = logs._scan

    def scan_then_rotate(directory: Path) -> list[os.DirEntry[str]]:
        entries = scan(directory)
        (directory / "gone.log").unlink(missing_ok=True)
        return entries

    (folders[""] / "gone.log").write_text("x")
    before = [log.path for log in logs.listing(folders)]
    monkeypatch.setattr(logs, "_scan", scan_then_rotate)
    assert [log.path for log in logs.listing(folders)] == [path for path in before if path != "gone.log"]


def test_a_missing_folder_has_no_logs(tmp_path: Path) -> None:
    """The portal comes up before some folders do."""
    assert logs.listing({"": tmp_path / "nothing"}) == []


def test_reading_on(folders: dict[str, Path]) -> None:
    """From the end, onward, past the end, and after the file was made shorter."""
    with logs.open_log("app.log", folders) as file:
        tail = logs.read_from(file, offset=-2, known=None)
        assert (tail.data, tail.next, tail.restarted) == (b"pp", 3, False)
        on = logs.read_from(file, offset=3, known=tail.file)
        assert (on.data, on.restarted) == (b"", False)
        past = logs.read_from(file, offset=99, known=tail.file)
        assert (past.data, past.restarted) == (b"app", True)


def test_one_request_reads_a_bounded_piece(folders: dict[str, Path]) -> None:
    """However big the log is."""
    (folders[""] / "app.log").write_bytes(b"x" * (logs.CHUNK + 5))
    with logs.open_log("app.log", folders) as file:
        first = logs.read_from(file, offset=0, known=None)
        assert len(first.data) == logs.CHUNK
        assert len(logs.read_from(file, offset=first.next, known=first.file).data) == 5


def test_checks_run_once_for_many_askers() -> None:
    """/ready is open to everybody and must not be a way to load the host."""
    runs: list[int] = []
    go = threading.Event()

    def checks() -> tuple[Result, ...]:
        runs.append(1)
        go.wait(5)
        return (Result(name="x", ok=True),)

    readiness = Readiness(checks)
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(ready(readiness.checks()))) for _ in range(20)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(5)
    assert answers == [True] * 20
    assert len(runs) == 1


def test_checks_that_hang_are_not_ready() -> None:
    """After a while an old answer is no answer."""
    now, hang = [0.0], threading.Event()
    results = (Result(name="x", ok=True),)

    def checks() -> tuple[Result, ...]:
        if now[0] > 0:
            hang.wait(5)
        return results

    readiness = Readiness(checks, patience=0.05, clock=lambda: now[0])
    assert ready(readiness.checks())
    now[0] = 2.0
    thread = threading.Thread(target=readiness.checks)
    thread.start()
    try:
        assert ready(readiness.checks())  # two seconds old, somebody is asking anew
        now[0] = 20.0
        assert not ready(readiness.checks())
    finally:
        hang.set()
        thread.join(5)


def test_nothing_checked_is_not_ready() -> None:
    """An empty list must not read as success."""
    assert not ready(())


def test_refused_requests_of_the_last_hour(folders: dict[str, Path]) -> None:
    """Other statuses, older ones and lines that are no JSON do not count."""
    lines = [
        json.dumps(line, separators=(",", ":")) for line in ({"ts": 5000, "status": 401}, {"ts": 5000, "status": 200})
    ]
    old = '{"ts":1,"status":401}'
    (folders[""] / "caddy.log").write_text("\n".join([*lines, old, 'cut "status":401', '{"status":401}']) + "\n")
    assert refused(folders, now=6000) == {"requests": 1, "at_least": False, "seconds": 3600}
    assert refused({"": folders[""] / "nothing"}, now=6000)["requests"] == 0


def test_a_flood_of_refused_requests_is_not_played_down(folders: dict[str, Path]) -> None:
    """Neither by its length nor by a rotation in the middle of it."""
    line = '{"ts":5000,"status":401,"request":"' + "x" * 200 + '"}\n'
    (folders[""] / "caddy.log.1").write_text(line * 20_000)
    (folders[""] / "caddy.log").write_text(line * 3)
    found = refused(folders, now=6000)
    assert found["at_least"] is True
    assert 1000 < found["requests"] <= 20_003
    assert refused(folders, now=9000) == {"requests": 0, "at_least": False, "seconds": 3600}


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000, "\xff"])
def test_a_damaged_state_is_no_state(tmp_path: Path, content: str) -> None:
    """The page then says nothing of it."""
    (tmp_path / "state").write_text(content, encoding="latin-1")
    assert read_state(tmp_path / "state") == {}
    assert read_state(tmp_path / "nothing") == {}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_000_000, "2.0 MB"), (5 * 10**12, "5000.0 GB")],
)
def test_sizes_for_a_person(count: int, text: str) -> None:
    """Powers of ten, as disks are sold."""
    assert human_size(count) == text


@pytest.mark.parametrize(
    ("label", "cookie"),
    [
        ("C.12345", "C.12345_auth_token"),
        ("", "visomaster_auth_token"),
        ("a b", "visomaster_auth_token"),
        ("{env.X}", "visomaster_auth_token"),
        ("x" * 65, "visomaster_auth_token"),
    ],
)
def test_the_cookie_carries_the_instances_name(label: str, cookie: str) -> None:
    """Instances share addresses, and cookies ignore ports."""
    assert logins.cookie_name(label) == cookie


def test_a_login_shows_nothing_of_itself() -> None:
    """Not in a traceback and not in a log."""
    login = logins.login_for("a-token-of-some-length", "C.1")
    shown = repr(login)
    assert login.token not in shown
    assert login.basic not in shown
    assert login.token not in login.sessions
