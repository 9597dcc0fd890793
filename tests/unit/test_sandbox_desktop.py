"""What `make up` shows: a line for each stage, the last lines of a bake that failed, what is still waited for."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from visomaster_host.summary import Summary

from sandbox import __main__ as command
from sandbox import desktop, shell
from spec.variant import VARIANTS


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose pyinfra and Docker client say what the test writes into them."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    monkeypatch.setattr(desktop, "REPOSITORY", tmp_path)
    monkeypatch.setattr(desktop, "LOG", tmp_path / ".state/up.log")
    monkeypatch.setattr(desktop, "docker_command", lambda: str(tmp_path / "docker"))
    return tmp_path


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_bake_that_fails_shows_its_last_lines(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """All of it is in the log that the error names, which is the last line."""
    program(checkout / ".venv/bin/pyinfra", "seq 1 200; echo 'E: no space left' >&2; exit 3")
    with pytest.raises(shell.SandboxError, match=r"status 3, see .*/\.state/up\.log$") as failed:
        desktop.pyinfra(["@bake/base"], lambda operation: None)
    assert failed.value.last_lines[-2:] == ["200", "E: no space left"]
    assert len(failed.value.last_lines) == desktop.LAST_LINES
    assert capfd.readouterr().out == "" and len((checkout / ".state/up.log").read_text().splitlines()) == 201


def test_the_command_shows_them_before_the_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(options: object) -> list[str]:
        failure = shell.SandboxError("it failed, see up.log")
        failure.last_lines = ["one", "two\x1b[2J"]
        raise failure

    monkeypatch.setattr(command, "_run", fails)
    monkeypatch.setattr(sys, "argv", ["sandbox", "down"])
    assert command.main() == 1
    assert capsys.readouterr().err.splitlines() == ["one", "two\\x1b[2J", "sandbox: error: it failed, see up.log"]


def test_waiting_is_one_line(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the container waits for, as it changes, and no more of it once all is there."""
    said = "waiting: screen, program\\nwaiting: program\\nok      screen: there\\nok      program: there\\n"
    program(checkout / "docker", f"printf '{said}'")
    desktop.wait("box")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sandbox: waiting until it can be used … screen, program … program … ")


def test_what_is_missing_at_the_end_is_told_with_its_reason(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "waiting: program\\nok      screen: there\\nmissing program: no window\\n"
    program(checkout / "docker", f"printf '{said}'; exit 1")
    with pytest.raises(shell.SandboxError, match="box is not ready after"):
        desktop.wait("box")
    assert capsys.readouterr().err.splitlines()[1:] == ["missing program: no window"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_stage_is_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(shell, "TICK", 0.01)
    monkeypatch.setenv("COLUMNS", "40")
    with shell.step("baking") as now:
        now("System | Install packages")
        while "System" not in terminal.getvalue():
            pass
    shown = terminal.getvalue()
    assert shown.count("\n") == 1 and "… 0 s  System | Ins" in shown
    assert all(len(part) < 40 for part in shown.split("\r\x1b[K")[:-1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_box_tells_no_password(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of a portal holds its token, on one's own machine alone."""
    url = "http://127.0.0.1:11111/?token=secret"
    monkeypatch.setattr(desktop, "docker", lambda *words: json.dumps({"url": url, "password": "secret"}))
    told: list[Summary] = []
    monkeypatch.setattr(Summary, "tell", lambda summary, stream: told.append(summary))
    desktop.tell(desktop.Desktop(variant=VARIANTS[variant]))
    text = "\n".join(told[0].lines())
    assert f"make verify HOST=docker://visomaster-sandbox-{variant}" in text and "make down" in text
    where = "127.0.0.1:5901 in a VNC client" if variant == "default" else url
    assert f"Open    {where}" in text and ("secret" in text) is (variant != "default")
