"""The greeting at login: in every shell that reads it, and only where somebody sits at a terminal."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest
from visomaster_host import paths

from spec.here import local

GREETING = local(paths.GREETING)
SHELLS = tuple(shell for shell in ("dash", "bash") if shutil.which(shell))


def on_a_terminal(command: list[str], home: Path) -> str:
    """What `command` shows on a terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb"})
    shown = b""
    try:
        while more := os.read(terminal, 4096):
            shown += more
    except OSError:  # its end, on Linux
        pass
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown.decode()


@pytest.mark.parametrize("shell", SHELLS)
def test_somebody_at_a_terminal_is_told_three_commands(shell: str, tmp_path: Path) -> None:
    shown = on_a_terminal([shell, "-eic", f"set -u; . {GREETING}; echo done=${{visomaster_sudo-unset}}"], tmp_path)
    told = [line.strip() for line in shown.splitlines() if line.strip()]
    assert told[0] == "This is a VisoMaster desktop."
    assert [any(line.startswith(name) for line in told) for name in ("visomaster-ready ", "ls /workspace/in ")] == [
        True,
        True,
    ]
    assert any("visomaster-credentials" in line for line in told)
    assert told[-1] == "done=unset", "nothing of it stays in the shell"


@pytest.mark.parametrize("shell", SHELLS)
def test_who_wants_no_words_gets_none(shell: str, tmp_path: Path) -> None:
    (tmp_path / ".hushlogin").touch()
    assert on_a_terminal([shell, "-eic", f"set -u; . {GREETING}"], tmp_path) == ""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("options", ["-ec", "-eic"])
def test_a_command_over_ssh_gets_nothing_else(shell: str, options: str, tmp_path: Path) -> None:
    """As scp, sftp, rsync and `ssh HOST COMMAND` run it: without a terminal, interactive or not."""
    done = subprocess.run(
        [shell, options, f"set -u; . {GREETING}; echo answer"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=True,
        start_new_session=True,
    )
    assert done.stdout == "answer\n"
