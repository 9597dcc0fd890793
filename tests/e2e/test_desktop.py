"""The default variant as a person meets it: with a VNC client."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncvnc
import numpy
import pytest
from PIL import Image

from sandbox import tools
from tests.e2e.machine import Container, docker

pytestmark = pytest.mark.filterwarnings("ignore:.*TripleDES")

Result = TypeVar("Result")
SECRET = "/var/lib/visomaster/secrets/vnc-password"
ACCENT = (78, 193, 170)  # the program's progress bar


def visit(box: Container, password: str | None, act: Callable[[Any], Awaitable[Result]]) -> Result:
    """Log in and do `act` with the client, within a minute."""
    port = int(docker("port", box.name, "5901/tcp").rpartition(":")[2])

    async def session() -> Result:
        async with asyncvnc.connect("127.0.0.1", port, password=password) as client:
            return await act(client)

    return asyncio.run(asyncio.wait_for(session(), 60))


def come_in(box: Container, act: Callable[[Any], Awaitable[Result]], seconds: float = 60) -> Result:
    """`visit` with the right password; where the wrong ones before it have put a brake on, again after a while."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return visit(box, password_of(box), act)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def password_of(box: Container) -> str:
    return box.output("cat", SECRET).strip()


async def screenshot(client: Any) -> Any:
    return await client.screenshot()


def wait_for_line(box: Container, pattern: str, seconds: float = 60) -> str:
    """The first line of the program's log that matches."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        log = box.output("cat", "/var/log/portal/visomaster_app.log")
        if found := re.search(pattern, log, re.MULTILINE):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no line {pattern!r} in the program's log: {log[-500:]}")


def test_the_log_ends_with_the_way_in(running: Container) -> None:
    """What `docker logs` shows a person: a few lines, no alarm where all is well, no secret, and the box."""
    log = running.logged(re.compile(r"^-- The desktop is ready .*^-+$", re.DOTALL | re.MULTILINE).search)
    assert "CRIT" not in log and "spawned" not in log and password_of(running) not in log
    box = log.partition("-- The desktop is ready")[2]
    for command in ("exec {} visomaster-credentials", "stop {}", "exec {} visomaster-ready"):
        assert f"docker {command.format(running.name)}" in box
    assert set(box.splitlines()[-1]) == {"-"}


def test_the_password_opens_the_desktop(running: Container, tmp_path: Path) -> None:
    """The picture is the program's window, whole, with the models it found."""
    pixels = come_in(running, screenshot)
    Image.fromarray(pixels).save(tmp_path / "desktop.png")
    print(f"picture: {tmp_path / 'desktop.png'}")
    assert pixels.shape[:2] == (1080, 1920)
    near = (numpy.abs(pixels[:, :, :3].astype(int) - ACCENT) < 12).all(axis=2)
    assert near.sum() > 1000, "the program's progress bar is not on the picture"
    assert wait_for_line(running, r"^MODELS 6 of 7$")


@pytest.mark.parametrize("password", [None, "", "wrong", "wrongtoo"])
def test_no_other_password_does(running: Container, password: str | None) -> None:
    with pytest.raises((PermissionError, ValueError, asyncio.IncompleteReadError)):
        visit(running, password, screenshot)


def test_a_key_and_a_click_arrive(running: Container) -> None:
    async def type_and_click(client: Any) -> None:
        client.keyboard.write("hello")
        client.mouse.move(1300, 500)
        client.mouse.click()
        await client.drain()
        await client.screenshot()  # an answer from the server: it has read what was sent before

    come_in(running, type_and_click)
    assert wait_for_line(running, r"^TEXT '.*hello'$")
    assert wait_for_line(running, r"^CLICK 1300 500$")


def guessed(box: Container) -> bool:
    """Whether a wrong password was looked at: the visit may as well have been hung up on."""
    try:
        visit(box, "wrong", screenshot)
    except PermissionError:
        return True
    except (OSError, ValueError, asyncio.IncompleteReadError):
        return False
    raise AssertionError("a wrong password opened the desktop")


def test_passwords_are_not_guessed_fast(running: Container) -> None:
    """24 a second without a lock-out. Who knows the password comes in once the time is over."""
    guesses = sum(guessed(running) for _ in range(40))
    print(f"{guesses} of 40 guesses were looked at")
    assert 0 < guesses <= 6
    assert come_in(running, screenshot) is not None


def test_looking_whether_it_serves_locks_nobody_out(running: Container) -> None:
    """Readiness asks every few seconds, from the address that SSH tunnels have: it makes no connection."""
    assert running.run("visomaster-ready").returncode == 0
    assert "accepted: 127.0.0.1" not in vnc_log(running)


def vnc_log(box: Container) -> str:
    return box.output("cat", "/var/log/portal/x11vnc.log")


@dataclass(frozen=True, kw_only=True)
class TigerVNC:
    """TigerVNC's viewer with a screen of its own."""

    box: Container
    display: str
    folder: Path

    @contextmanager
    def visiting(self, security: str, password: str, *options: str) -> Iterator[Path]:
        """It tries to log in with that security type alone; gives its log."""
        port = docker("port", self.box.name, "5901/tcp").rpartition(":")[2]
        own = subprocess.run(["tigervncpasswd", "-f"], input=password.encode(), capture_output=True, check=True)
        (self.folder / "password").write_bytes(own.stdout)
        (self.folder / "ca.pem").write_text(self.box.output("cat", "/run/visomaster/desktop/vnc.crt"))
        trusted = (f"-X509CA={self.folder / 'ca.pem'}", f"-passwd={self.folder / 'password'}")
        command = ("xtigervncviewer", f"-SecurityTypes={security}", *trusted, *options, f"127.0.0.1::{port}")
        environment = {**os.environ, "DISPLAY": self.display, "HOME": str(self.folder)}
        log = self.folder / "viewer.log"
        with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as viewer:
            try:
                yield log
            finally:
                viewer.kill()


@pytest.fixture(scope="module")
def tigervnc(running: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TigerVNC]:
    """Its viewer, on an X server that nobody sees."""
    tools.provide()
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as told:
            number = told.readline().strip()
        yield TigerVNC(box=running, display=f":{number}", folder=tmp_path_factory.mktemp("tigervnc"))
        server.kill()


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.1)


SECURITY = ("X509Vnc", "TLSVnc", "VncAuth")


@pytest.mark.parametrize("security", SECURITY)
def test_tigervncs_viewer_comes_in(tigervnc: TigerVNC, security: str) -> None:
    """With the host's certificate, with TLS that names nobody, and without TLS; by a wrong password never."""
    before = len(vnc_log(tigervnc.box))
    with tigervnc.visiting(security, password_of(tigervnc.box)) as log:
        wait_until(lambda: "Enabling continuous updates" in log.read_text(errors="replace"))
    said = vnc_log(tigervnc.box)[before:]
    assert f"security type {security}" in said and "failure" not in said
    with tigervnc.visiting(security, "wrongpw"):
        wait_until(lambda: "Authentication failure" in vnc_log(tigervnc.box)[before:])


def window_size(box: Container) -> str:
    """How large the program's window is, which Fluxbox has maximised."""
    x = "export DISPLAY=:1 XAUTHORITY=/run/visomaster/desktop/Xauthority; "
    find = "xwininfo -id $(xprop -root _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*' | head -1)"
    found = dict(re.findall(r"(Width|Height): (\d+)", box.output("sh", "-c", x + find)))
    return f"{found['Width']}x{found['Height']}"


def test_the_desktop_takes_the_size_a_viewer_asks_for(tigervnc: TigerVNC) -> None:
    """Up and down, and the program's window with it; larger than SCREEN_MAX it does not get."""
    sizes = ("1600x900", "1024x768", "2560x1440", "1366x768", "4000x2000", "1920x1080")
    for size in sizes:
        with tigervnc.visiting("VncAuth", password_of(tigervnc.box), f"-DesktopSize={size}"):
            wanted = size if size != "4000x2000" else "3840x2000"
            wait_until(lambda wanted=wanted: window_size(tigervnc.box) == wanted)


def test_the_certificates_fingerprint_is_told(running: Container) -> None:
    told = running.output("visomaster-credentials")
    shown = running.output(
        "openssl", "x509", "-in", "/var/lib/visomaster/tls/portal.crt", "-noout", "-fingerprint", "-sha256"
    )
    assert f"certificate: {shown.strip().partition('=')[2]}" in told.splitlines()


WINDOW = """
import sys
from PySide6.QtWidgets import QApplication, QLabel
application = QApplication(sys.argv)
label = QLabel(" 中文 ひらがな 한국어 😀🦊 Agß é 0123")
label.setWindowTitle(sys.argv[1])
label.setStyleSheet("font-size: 24pt; background: #e8eaee; color: black")
label.resize(760, 140)
label.move(300, 300)
label.show()
application.exec()
"""


PAPER = (0xE8, 0xEA, 0xEE)


@contextmanager
def window_titled(box: Container, title: str) -> Iterator[None]:
    """A window of that title is somewhere on the screen, or soon will be; another one is not any more."""
    where = ("--env=DISPLAY=:1", "--env=XAUTHORITY=/run/visomaster/desktop/Xauthority", "--env=LC_ALL=C.UTF-8")
    python = ("/opt/conda/envs/visomaster/bin/python", "-c", WINDOW, title)
    docker("exec", "--detach", "--user=visomaster", *where, box.name, *python)
    try:
        yield
    finally:
        gone = "until pkill --full QLabe[l]; do sleep 0.1; done; while pgrep --full QLabe[l]; do sleep 0.1; done"
        box.output("timeout", "60", "sh", "-c", gone)


def title_bar(box: Container, picture: Path, unlike: Any = None) -> Any:
    """The bar above the window, once it is drawn; another one than `unlike`, or the same for ten seconds."""
    deadline = time.monotonic() + (60 if unlike is None else 10)
    while True:
        pixels = come_in(box, screenshot)
        bar, over = pixels[303:324, 320:1000], time.monotonic() > deadline
        drawn = tuple(pixels[430, 310, :3]) == PAPER
        if (drawn and (unlike is None or (bar != unlike).any())) or over:
            assert drawn, "the window does not come"
            Image.fromarray(pixels).save(picture)
            return bar
        time.sleep(0.1)


def test_letters_of_all_the_world_are_drawn(running: Container, tmp_path: Path) -> None:
    """Two titles of as many letters look differently: boxes would not. In the window they are the program's own matter,
    which the host's tests look at."""
    with window_titled(running, "中文字体 ひら 한국"):
        first = title_bar(running, tmp_path / "first.png")
    with window_titled(running, "日本語字 カタ 대한"):
        second = title_bar(running, tmp_path / "second.png", unlike=first)
    print(f"pictures: {tmp_path}")
    assert (first != second).sum() > 200
