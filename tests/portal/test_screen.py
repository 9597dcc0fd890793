"""Xtigervnc as it is behind a portal, and what minds it: any letters, keys that nobody holds, sizes."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest
from visomaster_host import desktop_size, paths, rfb
from visomaster_host.problems import NotReady
from visomaster_host.services import xtigervnc
from visomaster_host.xauthority import record

from spec.here import FILES

DISPLAY = ":78"
MOST = "2000x1200"
PYTHON = str(paths.SYSTEM_PYTHON)
LEFT_AFTER, LOOK_AGAIN = 1.5, 0.3
"""Seconds, here: the test is not to take those of a host."""

MINDER = f"""
from visomaster_host import minding, screen_minder
minding.LEFT_AFTER, screen_minder.LOOK_AGAIN = {LEFT_AFTER}, {LOOK_AGAIN}
raise SystemExit(screen_minder.main())
"""

READER = """
from Xlib import X, display
screen = display.Display()
window = screen.screen().root.create_window(0, 0, 200, 200, 0, X.CopyFromParent, event_mask=X.KeyPressMask)
window.map()
screen.sync()
window.set_input_focus(X.RevertToParent, X.CurrentTime)
screen.sync()
print("reading", flush=True)
while True:
    event = screen.next_event()
    if event.type == X.MappingNotify:
        screen.refresh_keyboard_mapping(event)
    elif event.type == X.KeyPress:
        print(screen.keycode_to_keysym(event.detail, event.state & X.ShiftMask), flush=True)
"""
"""A program that prints the letters that arrive, and learns new ones as Xlib's programs do."""


def keysym(letter: str) -> int:
    """What a viewer sends for `letter`."""
    return ord(letter) if ord(letter) < 0x100 else 0x1000000 | ord(letter)


class Viewer:
    """A viewer that types, and looks at nothing."""

    def __init__(self, address: Path) -> None:
        self.connection = rfb.connected(address)
        rfb.enter(self.connection, str(address))
        rfb.receive(self.connection, 20)
        rfb.receive(self.connection, *struct.unpack(">I", rfb.receive(self.connection, 4)))

    def key(self, symbol: int, *, down: bool) -> None:
        self.connection.sendall(struct.pack(">BBxxI", 4, down, symbol))

    def type(self, text: str) -> None:
        """As somebody who is quick: 100 letters a second."""
        for letter in text:
            self.key(keysym(letter), down=True)
            self.key(keysym(letter), down=False)
            time.sleep(0.01)

    def close(self) -> None:
        self.connection.close()


@dataclass(kw_only=True)
class Desktop:
    """The running screen; `server` is its process."""

    folder: Path
    viewer: Viewer
    server: subprocess.Popen[bytes]
    minder: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return self.folder / "vnc.sock"

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def read(self) -> list[int]:
        """The letters that have arrived."""
        return [int(line) for line in self.log("reader").splitlines() if line.isdigit()]

    def asked(self, question: str) -> str:
        """What python-xlib answers to `question`."""
        source = f"from Xlib import display; screen = display.Display(); print({question})"
        known = environment(self.folder / "cookie-by-name")
        done = subprocess.run([PYTHON, "-c", source], env=known, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def down(self) -> bool:
        """Whether any key is."""
        return self.asked("any(screen.query_keymap())") == "True"

    def size(self) -> str:
        return self.asked("'{0.width}x{0.height}'.format(screen.screen().root.get_geometry())")


def environment(cookie: Path) -> dict[str, str]:
    of_screen = {"DISPLAY": DISPLAY, "XAUTHORITY": str(cookie), "SCREEN_MAX": MOST}
    return {**os.environ, **of_screen, "PYTHONPATH": str(FILES / "usr/local/lib/visomaster")}


def write_cookies(folder: Path) -> None:
    """One as a host has it, and the same for the tests' own programs: python-xlib knows it by this machine's name."""
    ours = record(DISPLAY.removeprefix(":"), os.urandom(16))
    (folder / "cookie").write_bytes(ours)
    name = socket.gethostname().encode()
    (folder / "cookie-by-name").write_bytes(struct.pack(">HH", 256, len(name)) + name + ours[4:])


def until(condition: Callable[[], object], what: str, seconds: float = 20) -> float:
    """Wait for `condition`; returns the seconds it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begin


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """The server with the very options of a host, its minder, and a program that has the keyboard."""
    folder = tmp_path_factory.mktemp("screen")
    with ExitStack() as stack:

        def start(name: str, *command: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / f"{name}.log").open("ab"))
            cookie = folder / ("cookie-by-name" if name == "reader" else "cookie")
            process = subprocess.Popen(command, env=environment(cookie), cwd=folder, stdout=log, stderr=log)
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            return process

        closed = [str(folder / "vnc.sock") if each == str(paths.VNC_SOCKET) else each for each in xtigervnc.CLOSED]
        write_cookies(folder)
        screen = (
            "-auth",
            str(folder / "cookie"),
            "-geometry",
            "1280x720",
            "-depth",
            "24",
            "-nolisten",
            "tcp",
            "-noreset",
            "-AlwaysShared",
        )
        (folder / "vnc.sock").touch()  # a killed server's
        server = start("server", "Xtigervnc", DISPLAY, *screen, *closed, xtigervnc.NO_LOCKOUT)
        until(lambda: answers(folder / "vnc.sock"), "Xtigervnc")
        minder = start("minder", PYTHON, "-c", MINDER)
        start("reader", PYTHON, "-c", READER)
        until(lambda: "reading" in (folder / "reader.log").read_text(), "the reader")
        viewer = Viewer(folder / "vnc.sock")
        stack.callback(viewer.close)
        found = Desktop(folder=folder, viewer=viewer, server=server, minder=minder)
        free = "sum(not any(code) for code in screen.get_keyboard_mapping(8, 248))"
        until(lambda: int(found.asked(free)) > 100, "a layout with keycodes to spare")
        yield found


def answers(address: Path) -> bool:
    try:
        return "greets" in rfb.handshake(address, rfb.NO_PASSWORD)
    except NotReady:
        return False


def letters(first: int, count: int) -> str:
    return "".join(map(chr, range(first, first + count)))


def test_letters_of_any_script_arrive_one_after_another(desktop: Desktop) -> None:
    """As shipped, the server has keycodes for 19 new ones, then for none until it ends.

    Known, and the server's: where the very first key, or the first after one of an X client, is a new letter, it is
    lost.
    """
    cyrillic, greek, chinese = letters(0x410, 64), letters(0x3B1, 17), letters(0x4E00, 150)
    text = f"a{cyrillic}{greek}{chinese}äöüß€{cyrillic}hello"
    before = len(desktop.read())
    desktop.viewer.type(text)
    until(lambda: len(desktop.read()) - before >= len(text), "all letters")
    assert "".join(map(chr, (symbol & 0xFFFFFF for symbol in desktop.read()[before:]))) == text


CONTROL = 0xFFE3


def test_keys_of_a_viewer_who_says_nothing_more_come_up(desktop: Desktop) -> None:
    desktop.viewer.key(CONTROL, down=True)
    desktop.viewer.key(keysym("b"), down=True)
    until(desktop.down, "keys that are down")
    took = until(lambda: not desktop.down(), "nobody's keys")
    assert took > LEFT_AFTER / 2
    assert re.search(r"let go of the keys 37, 56: down for", desktop.log("minder"))


def test_a_key_that_the_server_repeats_for_nobody_comes_up(desktop: Desktop) -> None:
    """As when Selkies is killed, which presses keys as an X client: the server repeats them for ever."""
    desktop.asked("(__import__('Xlib.ext.xtest').ext.xtest.fake_input(screen, 2, 38), screen.sync())")
    until(desktop.down, "a key that is down")
    until(lambda: not desktop.down(), "nobody's key")


def test_a_key_that_is_held_on_purpose_stays_down(desktop: Desktop) -> None:
    """The viewer sends it again and again, as browsers do."""
    before, begin = len(desktop.read()), time.monotonic()
    sent = 0
    while time.monotonic() - begin < LEFT_AFTER * 2:
        desktop.viewer.key(0xFF08, down=True)
        sent += 1
        time.sleep(0.03)
    assert desktop.down()
    desktop.viewer.key(0xFF08, down=False)
    until(lambda: not desktop.down(), "the key that was let go")
    assert len(desktop.read()) - before == sent


@pytest.mark.parametrize("size", ["1600x900", "800x600", "1921x1081", "2000x1200", "1280x720", "1280x720"])
def test_a_viewer_sets_the_size(desktop: Desktop, size: str) -> None:
    desktop_size.resize(desktop.socket, *map(int, size.split("x")))
    assert desktop.size() == size


@pytest.mark.parametrize(
    ("wanted", "becomes"), [("2600x1300", "2000x1200"), ("1000x4000", "1000x1200"), ("2600x1300", "2000x1200")]
)
def test_no_larger_than_the_host_allows(desktop: Desktop, wanted: str, becomes: str) -> None:
    desktop_size.resize(desktop.socket, *map(int, wanted.split("x")))
    until(lambda: desktop.size() == becomes, f"{wanted} made {becomes}")
    assert f"{wanted} is larger than SCREEN_MAX={MOST}: set to {becomes}" in desktop.log("minder")


def test_a_size_that_cannot_be_is_refused_in_one_line(desktop: Desktop, tmp_path: Path) -> None:
    for width, height, said in ((16, 16, "refused by the VNC server: no such"), (20_000, 600, "from 1 to 16384")):
        with pytest.raises(NotReady, match=rf"vnc\.sock: {width}x{height}: .*{said}"):
            desktop_size.resize(desktop.socket, width, height)
    with pytest.raises(NotReady, match=r"none: 800x600: nobody listens there"):
        desktop_size.resize(tmp_path / "none", 800, 600)


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no VNC server"),
        (b"RFB 003.008\n\x01\x02", "security types"),
        (b"RFB 003.008\n\x01\x01\0\0\0\0" + bytes(4) + b"\x20" + bytes(19) + b"\x63", "unknown kind 99"),
        (b"RFB 003.008\n\x01\x01\0\0\0\0" + bytes(4), "timed out|no answer"),
    ],
)
def test_a_server_that_answers_otherwise_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, greeting: bytes, said: str
) -> None:
    monkeypatch.setattr(desktop_size, "ANSWER_WITHIN", 0.5)
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as stack:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.settimeout(5)

        def serve() -> None:
            stack.enter_context(listener.accept()[0]).sendall(greeting)

        server = Thread(target=serve)
        server.start()
        with pytest.raises(NotReady, match=said):
            desktop_size.resize(tmp_path / "s", 800, 600)
        server.join(5)


def test_an_idle_desktop_is_minded_for_nothing(desktop: Desktop) -> None:
    """It sleeps: no ticks of the processor while nothing happens."""
    until(lambda: not desktop.down(), "no key that is down")
    time.sleep(LOOK_AGAIN * 2)  # it looks once more after the last key

    def ticks() -> int:
        fields = Path(f"/proc/{desktop.minder.pid}/stat").read_text().rpartition(")")[2].split()
        switches = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status(desktop.minder.pid), re.MULTILINE)
        return int(fields[11]) + int(fields[12]) + int(switches[1] if switches else 0)

    before = ticks()
    time.sleep(1)
    assert ticks() - before <= 1


def status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text(encoding="utf-8")


def test_it_ends_in_one_line_with_its_screen(desktop: Desktop) -> None:
    """supervisord starts both again."""
    desktop.server.send_signal(signal.SIGKILL)
    assert desktop.minder.wait(10) == 1
    last = desktop.log("minder").splitlines()[-1]
    assert last.startswith("screen_minder: the X server is gone") and "Traceback" not in desktop.log("minder")
