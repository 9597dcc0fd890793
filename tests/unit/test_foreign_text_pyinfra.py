"""What a box, a server or Docker says to pyinfra is shown; no terminal acts on it."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from spec.here import ROOT
from spec.neighbours import Neighbours, PortOwner
from tests.hostile import HOSTILE, answering, everything, harmless, one_line
from tests.unit.foreign_text import every_kind

PYINFRA = str(Path(sys.executable).parent / "pyinfra")
DEPLOY = """
from io import StringIO
from pyinfra import host
from pyinfra.api import FactBase, operation
from pyinfra.operations import server
from operations.stream import refused, streamed
from spec.neighbours import PortOwner

class Hostile(FactBase):
    def command(self):
        return "cat {text} >&2; cat {text}; exit 3"

@operation()
def said():
    yield streamed("cat {text}; cat {text} >&2; exit 1")

@operation()
def gave_up():
    yield refused(open("{text}", newline="").read())

host.get_fact(Hostile, _ignore_errors=True)
said(name="streamed", _ignore_errors=True)
gave_up(name="refused", _ignore_errors=True)
server.shell(name="shell", commands=["cat {text}; cat {text} >&2; exit 1"], _ignore_errors=True)
server.shell(name="last", commands=["cat {text} >&2; exit 1"])
"""


def pyinfra(folder: Path, *arguments: str, deploy: str = "", **variables: str) -> str:
    """What pyinfra's own command line shows, on a terminal as wide as it likes."""
    (folder / "deploy.py").write_text(deploy)
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYINFRA_PROGRESS": "off", "PYTHONPATH": str(ROOT), "HOME": str(folder), **variables}
    with subprocess.Popen(
        [PYINFRA, *arguments, *([str(folder / "deploy.py"), "-y"] if deploy else [])],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    ) as process:  # fmt: skip
        os.close(terminal)
        seen = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while piece := os.read(controller, 65536):
                seen += piece
        process.wait(60)
    os.close(controller)
    return seen.replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")


OWN_CODES = ("\x1b[1m", "\x1b[0m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[36m")
"""What pyinfra itself shows in bold, red, green, yellow, blue and cyan."""


def without_own_codes(shown: str) -> str:
    for code in OWN_CODES:
        shown = shown.replace(code, "")
    return shown


@pytest.mark.parametrize("option", ["-v", "-vvv"])
def test_the_lines_of_a_box(option: str, tmp_path: Path) -> None:
    """Streamed, of a command that fails, of a fact that fails, of an operation that gives up."""
    text = tmp_path / "text"
    text.write_bytes(everything().encode())
    shown = pyinfra(tmp_path, option, "@local", deploy=DEPLOY.replace("{text}", str(text)))
    harmless(without_own_codes(shown))
    assert shown.count(r"a\x1b]52;c;Y3VybCBldmls\x07b") >= 8, shown[:3000]
    assert r"a\x1b[31mb" in shown and r"a\x1b[8mb\x1b[0m" in shown  # a box's colours are not pyinfra's
    assert "\x1b[31m" in shown and "\x1b[1m" in shown  # pyinfra's own are


def test_tables_of_pyinfra_stay_in_line(tmp_path: Path) -> None:
    deploy = "from pyinfra.operations import server\nserver.shell(name='one', commands=['true'])\n"
    shown = without_own_codes(pyinfra(tmp_path, "@local", deploy=deploy))
    head, row = (next(line for line in shown.splitlines() if line.strip().startswith(word)) for word in ("Oper", "one"))
    assert len(head.split("Hosts")[0]) == len(row.split("1")[0])


def test_an_exception_in_a_deploy(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(everything().encode())
    deploy = f"class Surprise(Exception): pass\nraise Surprise(open({str(text)!r}, newline='').read())"
    shown = pyinfra(tmp_path, "@local", deploy=deploy)
    assert "Surprise" in shown
    harmless(without_own_codes(shown))


def test_banners_of_servers(tmp_path: Path) -> None:
    """Whoever answers at the address of a box speaks before it proves who it is."""
    with contextlib.ExitStack() as stack:
        said = [
            b"SSH-" + text.replace("-", "").replace("\n", "").encode()[:500] + b"-x\r\n" for text in HOSTILE.values()
        ]
        ports = [stack.enter_context(answering(text)) for text in said]
        hosts = [(f"box-{port}", {"ssh_port": port, "ssh_hostname": "127.0.0.1"}) for port in ports]
        (tmp_path / "inventory.py").write_text(f"hosts = {hosts!r}\n")
        shown = pyinfra(tmp_path, str(tmp_path / "inventory.py"), "exec", "--", "true")
    assert shown.count("SSH error (Incompatible version (") == len(HOSTILE), shown
    harmless(without_own_codes(shown))


@every_kind
def test_who_is_in_the_way(text: str) -> None:
    """A process's command line, and the name of a supervisor's file."""
    found = Neighbours(programs={"x11vnc": text}, owners={5901: PortOwner(process=7, command=text)})
    with pytest.raises(ValueError) as port:
        found.refuse(public=(5901,), internal=(), services=())
    with pytest.raises(ValueError) as program:
        found.refuse(public=(1,), internal=(), services=("x11vnc",))
    one_line(str(port.value))
    one_line(str(program.value))


def test_docker_while_images_are_baked(tmp_path: Path) -> None:
    """The engine's last word, for an image each."""
    for number, text in enumerate(HOSTILE.values()):
        (tmp_path / f"image{number}").write_bytes(b"\xff\nError response from daemon: " + text.encode() + b"\n")
    client = tmp_path / "docker"
    says = f'cat "{tmp_path}/$last"'
    # What a pull prints is the client's own progress.
    client.write_text(f"#!/bin/sh\nfor last; do :; done\n[ $1 = pull ] || {says}\n{says} >&2; exit 1\n")
    client.chmod(0o755)
    images = ",".join(f"@bake/image{number}" for number in range(len(HOSTILE)))
    shown = pyinfra(tmp_path, images, "exec", "--", "true", DOCKER=str(client))
    assert shown.count("no image image") == len(HOSTILE), shown
    harmless(without_own_codes(shown))
