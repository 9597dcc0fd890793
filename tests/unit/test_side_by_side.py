"""Every run of `make test` counts, and every one is shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spec.here import ROOT

CASES = [("pass", "assert 0", 1), ("assert 0", "pass", 1), ("pass", "pass", 0)]


@pytest.mark.parametrize(("these", "those", "status"), CASES)
def test_who_fails_beside_others_is_seen(tmp_path: Path, these: str, those: str, status: int) -> None:
    """Whichever it is; the one whose output waits as well. Neither is run before the other."""
    meet = "import pathlib, time\nhere = pathlib.Path(__file__)\n"
    for name, other, body in ("these", "those", these), ("those", "these", those):
        (tmp_path / f"test_{name}.py").write_text(
            f"{meet}def test_{name}():\n    here.with_name('{name}').touch()\n"
            f"    end = time.monotonic() + 20\n"
            f"    while not here.with_name('{other}').exists() and time.monotonic() < end:\n        time.sleep(0.01)\n"
            f"    assert here.with_name('{other}').exists()\n    {body}\n",
            encoding="utf-8",
        )
    words = ["-q", f"--rootdir={tmp_path}"]
    (tmp_path / "test_more.py").write_text("def test_more():\n    pass\n", encoding="utf-8")
    names = ("these", "those", "more")
    command = [word for name in names for word in ("--", *words, str(tmp_path / f"test_{name}.py"))][1:]
    done = subprocess.run(
        [sys.executable, "-m", "tests.side_by_side", *command], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status, done.stdout + done.stderr
    for name, body in ("these", these), ("those", those), ("more", "pass"):
        word = "passed: " if body == "pass" else "FAILED, status 1: "
        assert f"{word}{' '.join(words)} {tmp_path}/test_{name}.py" in done.stdout
        assert body == "pass" or "AssertionError" in done.stdout


def test_those_apart_have_a_network_of_their_own(tmp_path: Path) -> None:
    """With a loopback of its own; the others have the machine's, and all have it where nobody may make another."""
    (tmp_path / "test_net.py").write_text(
        "import os, pathlib, socket\ndef test_net():\n"
        "    with socket.create_server(('127.0.0.1', 0)) as server:\n"
        "        socket.create_connection(server.getsockname()).close()\n"
        "    print('net', os.readlink('/proc/self/ns/net'))\n",
        encoding="utf-8",
    )
    words = ["-qs", f"--rootdir={tmp_path}", str(tmp_path / "test_net.py")]
    command = [sys.executable, "-m", "tests.side_by_side", *words, "--apart", *words, "--", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    here = str(Path("/proc/self/ns/net").readlink())
    first, apart, last = (line.split()[-1] for line in done.stdout.splitlines() if "net net:" in line)
    assert (first, last) == (here, here)
    assert (apart == here) == (os.geteuid() != 0)
