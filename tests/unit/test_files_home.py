"""All of the state goes home from the page, and comes back to it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from visomaster_host import paths
from visomaster_host.kept.workspaces import PREVIOUS
from visomaster_host.workspace.home import saving
from visomaster_host.workspace.home.manifest import NAME

from tests.unit.answering import Files, answering
from tests.unit.state_zips import PRESET, contents, put, zipped
from tests.unit.test_host_facts import host

WAITS = "import sys, time; print('runs', flush=True); time.sleep(60)"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setattr(paths, "HOST", tmp_path / "host.json")
    monkeypatch.setattr(paths, "KEPT", tmp_path / "workspace/state")
    monkeypatch.setattr(paths, "PROGRAM", tmp_path / "program")
    monkeypatch.setattr(paths, "APPLICATION_PID", tmp_path / "application.pid")
    paths.HOST.write_text(host(application="visomaster").as_json())
    with answering(tmp_path) as running:
        put(running.tree, PRESET, b"kept")
        put(running.tree, "out/a.mp4", b"video" * 100)
        yield running


@pytest.fixture
def program(files: Files) -> Iterator[subprocess.Popen[bytes]]:
    """A process that counts as the program."""
    with subprocess.Popen([sys.executable, "-c", WAITS, "main.py"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"runs\n"
        paths.APPLICATION_PID.write_text(f"{process.pid}\n")
        yield process
        process.kill()


def test_one_zip_goes_home_and_comes_back(files: Files, program: subprocess.Popen[bytes]) -> None:
    answer = files.ask("/state?out=yes")
    assert (answer.status, answer.whole, answer.headers["content-type"]) == (200, True, "application/zip")
    assert 'attachment; filename="visomaster-state-visomaster-' in answer.headers["content-disposition"]
    assert set(zipfile.ZipFile(io.BytesIO(answer.body)).namelist()) == {PRESET, "out/a.mp4", NAME}
    before = contents(files.tree)
    (files.tree / "in/home.zip").write_bytes(answer.body)
    (files.tree / "out/a.mp4").unlink()
    put(files.tree, PRESET, b"other")
    told = files.ask("/restore?path=in/home.zip").json
    assert told.pop("saved").startswith("20") and told == {
        "application": "visomaster",
        "left_out": [],
        "new": ["out/a.mp4"],
        "same": 0,
        "replaced": [PRESET],
        "starts_anew": True,
    }
    assert program.poll() is None, "looking changes nothing"
    assert files.post("restore", path="in/home.zip").json == {"restored": 2}
    assert program.wait(10) != 0
    (files.tree / "in/home.zip").unlink()
    assert {path: what for path, what in contents(files.tree).items() if "/.replaced/" not in path} == before


def test_its_length_is_told_and_only_the_results_on_request(files: Files) -> None:
    head = files.ask("/state", method="HEAD")
    answer = files.ask("/state")
    assert head.headers["content-length"] == answer.headers["content-length"]
    assert "out/a.mp4" not in zipfile.ZipFile(io.BytesIO(answer.body)).namelist()


def test_results_alone_leave_the_program_alone(files: Files, program: subprocess.Popen[bytes]) -> None:
    (files.tree / "in/home.zip").write_bytes(zipped({"out/b.mp4": b"x"}))
    assert files.ask("/restore?path=in/home.zip").json["starts_anew"] is False
    assert files.post("restore", path="in/home.zip").json == {"restored": 1}
    assert program.poll() is None


def test_one_that_changes_meanwhile_ends_early(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser says then that the download failed."""
    original = saving.Archive.write

    def change(archive: saving.Archive, output: object) -> None:
        (files.tree / PRESET).write_bytes(b"no longer what it was")
        original(archive, output)  # type: ignore[arg-type]

    monkeypatch.setattr(saving.Archive, "write", change)
    assert not files.ask("/state").whole


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("in/bad.zip", 422, "in/bad.zip: is no whole zip"),
        ("in/nothing.zip", 404, "nothing.zip"),
        ("in", 403, "is no regular file"),
        ("../etc/passwd", 400, "expected the name of one file or folder"),
        ("in/link.zip", 403, "link.zip"),
        ("in/fifo.zip", 403, "is no regular file"),
        ("", 400, "expected a file"),
    ],
)
def test_what_cannot_be_brought_back(files: Files, path: str, status: int, told: str) -> None:
    (files.tree / "in/bad.zip").write_bytes(zipped()[:-5])
    (files.tree / "in/link.zip").symlink_to("bad.zip")
    os.mkfifo(files.tree / "in/fifo.zip")
    before = contents(files.tree)
    for answer in (files.ask(f"/restore?path={path}"), files.post("restore", path=path)):
        assert (answer.status, list(answer.json)) == (status, ["error"]), answer.json
        assert told in answer.json["error"] and "\n" not in answer.json["error"]
    assert contents(files.tree) == before


@pytest.mark.parametrize(("verb", "method"), [("state", "POST"), ("restore", "PUT"), ("previous", "GET")])
def test_other_methods(files: Files, verb: str, method: str) -> None:
    assert files.ask(f"/{verb}", method=method).status == 405


def test_the_workspace_before_is_offered(files: Files, program: subprocess.Popen[bytes]) -> None:
    assert files.ask("/summary").json["previous"] is None
    assert files.post("previous").status == 404
    put(files.tree, f"state/visomaster/{PREVIOUS}", b"{}")
    assert files.ask("/summary").json["previous"]["modified"] > 1_600_000_000_000
    assert (files.post("previous").status, program.wait(10) != 0) == (200, True)


def test_a_host_that_is_none_is_one_line(files: Files) -> None:
    paths.HOST.write_text(json.dumps({}))
    answer = files.ask("/state")
    assert answer.status == 500 and "application must be" in answer.json["error"]
