"""Host tests on a rented box: what failed is known by its words, and what could not be run has failed."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from spec.here import ROOT
from vast.checking import command, failures

SAID = """
paramiko://rented-1
ok      The desktop is ready
FAILED  Models are computed on the graphics card, with the processor's numbers
        found:  onnxruntime runs on \x1b[31mCPUExecutionProvider
        to do:  apply deploy.py with an older CUDA
-       Drawing works: no OpenGL
FAILED  The graphics card answers
2 of 3 checks FAILED (1 could not be made here)
""".splitlines()


@dataclass
class Rented:
    name: str
    config: Path


@pytest.mark.parametrize(
    ("status", "said", "failed"),
    [
        (0, SAID[:3], ()),
        (
            1,
            SAID,
            (
                "Models are computed on the graphics card, with the processor's numbers:"
                " onnxruntime runs on \\x1b[31mCPUExecutionProvider",
                "The graphics card answers",
            ),
        ),
        (4, ["", "ERROR: usage: pytest", ""], ("ERROR: usage: pytest",)),
        (137, [], ("the host tests ended with status 137",)),
    ],
)
def test_what_failed_is_a_line_each(status: int, said: list[str], failed: tuple[str, ...]) -> None:
    assert failures(status, said) == failed
    assert failures(status, [line.strip() for line in said]) == failed


def test_a_box_without_a_gpu_fails_where_it_must_have_one() -> None:
    box = Rented("rented-1", Path("/nonexistent/config"))
    assert "--gpu" in command(box, gpu=True) and "--no-gpu" in command(box, gpu=False)


def test_a_box_that_cannot_be_reached_has_failed(tmp_path: Path) -> None:
    """By the real tests, whose way to a box is its own ssh config."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config = tmp_path / "config"
        config.write_text(f"Host rented-1\n HostName 127.0.0.1\n Port {nobody.getsockname()[1]}\n User root\n")
        words = command(Rented("rented-1", config), gpu=True)
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    (line,) = failures(done.returncode, done.stdout.splitlines())
    assert line.startswith("paramiko://rented-1 cannot be reached: ")
