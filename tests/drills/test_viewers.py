"""No viewer spoils it for another: neither on the public port, nor behind the portal, before a login or after it."""

from __future__ import annotations

import ast
import itertools
import random
import re
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from visomaster_host import paths, users

from sandbox import desktop
from tests import bad_viewers
from tests.e2e.browser_portal import PORT, Portal, portal
from tests.e2e.machine import Container, container, docker
from tests.portal import wire
from tests.viewers import Framed, Line, Straight, Viewer

LONGEST_GAP = 0.5
"""Seconds without a picture that a good viewer may see, of a screen that shows thirty a second."""
GONE_WITHIN = 120
"""Seconds until a viewer whose line is dead is gone, and the keys that it held are up."""
STRANGERS = 1100
"""More than Xtigervnc has files for (`select`)."""
WINDOW = (400, 300, 160, 90)
DISPLAY = """
from Xlib import display, xauth
xauth.Xauthority.get_best_auth = lambda file, *wanted: file.entries[0][3:]
display = display.Display()
"""
"""python-xlib looks for the host's name in the cookie's file, where none is."""
PICTURES = f"""{DISPLAY}
import time
window = display.screen().root.create_window(*{WINDOW}, 0, display.screen().root_depth, override_redirect=True)
window.map()
shown = 0
while True:
    shown += 1
    window.change_attributes(background_pixel=shown * 0x123457 & 0xFFFFFF)
    window.clear_area()
    display.flush()
    time.sleep(1 / 30)
"""
"""A window in another colour thirty times a second."""
BACKSPACE, CONTROL = 0xFF08, 0xFFE3
"""Keysyms; Control is the left one."""
KEYS = f"""{DISPLAY}
print(sum(bin(byte).count("1") for byte in display.query_keymap()))
"""
X_CLIENT = (f"--user={users.DESKTOP}", "--env=DISPLAY=:1", f"--env=XAUTHORITY={paths.XAUTHORITY}")


def address(box: Container) -> str:
    """Where the container is in the engine's network: nobody in between keeps a dead line alive."""
    return docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", box.name)


@dataclass(frozen=True, kw_only=True)
class Way:
    """To the screen of `box`, on the public port, or through the portal's websocket when `session` is one."""

    name: str
    box: Container
    host: str
    port: int
    password: str | None = None
    session: tuple[str, str] | None = None

    def line(self) -> Line:
        """A new connection to the VNC server."""
        connection = socket.create_connection((self.host, self.port), 10)
        if self.session is None:
            return Straight(connection)
        base, cookie = self.session
        return Framed(wire.opened(connection, self.port, base, cookie))

    def has(self, line: Line) -> bool:
        """Whether the box has its end of `line`."""
        port = line.connection.getsockname()[1]
        return self.box.output("ss", "-Htn", f"( sport = :{self.port} and dport = :{port} )").strip() != ""

    def typed(self) -> str:
        """What is in the program's text field, once it has not changed for a moment."""
        before, text = None, ""
        while text != before:
            time.sleep(0.5)
            log = self.box.output("cat", str(paths.PORTAL_LOGS / "visomaster_app.log"))
            before, text = text, str(ast.literal_eval(re.findall(r"^TEXT (.*)$", log, re.MULTILINE)[-1]))
        return text

    def keys_down(self) -> int:
        """How many keys the X server takes for pressed."""
        return int(docker("exec", *X_CLIENT, self.box.name, str(paths.SYSTEM_PYTHON), "-c", KEYS))


@pytest.fixture(scope="module")
def ways() -> Iterator[list[Way]]:
    """A ready desktop of each kind, both showing thirty pictures a second."""
    with container(desktop.bake("default")) as public, portal(desktop.bake("alt")) as behind:
        for box in (public, behind):
            box.wait_ready()
            docker("exec", "--detach", *X_CLIENT, box.name, str(paths.SYSTEM_PYTHON), "-c", PICTURES)
        password = public.output("cat", str(paths.SECRETS / "vnc-password")).strip()
        yield [
            Way(name="public", box=public, host=address(public), port=5901, password=password),
            Way(name="portal", box=behind, host=address(behind), port=PORT, session=session(behind)),
        ]


def session(box: Portal) -> tuple[str, str]:
    """Where the pages of a new session are, and its cookie."""
    base, headers = box.begin()
    return base, headers["Cookie"]


@dataclass(kw_only=True)
class Machine:
    """The longest time that this very process was kept waiting for a processor: nobody was shown anything then."""

    stood: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Until `over`."""
        before = time.monotonic()
        while not self.over.wait(0.01):
            now = time.monotonic()
            self.stood, before = max(self.stood, now - before), now


@contextmanager
def machine() -> Iterator[Machine]:
    """This machine, watched."""
    watched = Machine()
    thread = threading.Thread(target=watched.watch, daemon=True)
    thread.start()
    yield watched
    watched.over.set()
    thread.join(5)


def longest_gap(seen: list[float]) -> float:
    """The longest time between two pictures."""
    return max((later - sooner for sooner, later in itertools.pairwise(seen)), default=float("inf"))


def test_nobody_notices(ways: list[Way], capsys: pytest.CaptureFixture[str]) -> None:
    """Mute ones, halves of a message, aborts, one that reads nothing, one that freezes for a minute, dead lines; all at
    one time. Who is dead is gone within two minutes, and their keys are up."""
    with machine() as watched, bad_viewers.blowing(ways, WINDOW) as storm:
        begun = time.monotonic()
        dying = {(way, kind): die(way) for way in ways for kind, die in DYING.items()}
        gone: dict[str, float] = {}
        storm.begin(bad_viewers.BEFORE_LOGIN)
        # The aborts and the frozen ones tell by themselves how it went.
        while len(gone) < len(dying) or len(storm.told) < 2 * len(ways):
            assert time.monotonic() - begun < GONE_WITHIN, (gone, storm.told)
            for (way, kind), line in dying.items():
                if f"{way.name}, {kind}" not in gone and not way.has(line) and not way.keys_down():
                    gone[f"{way.name}, {kind}"] = round(time.monotonic() - begun)
            time.sleep(0.5)
    with capsys.disabled():
        for name, seen in storm.seen.items():
            rate = len(seen) / (seen[-1] - seen[0])
            print(f"\n    {name}: {rate:.1f} pictures/s, longest gap {longest_gap(seen):.2f} s", end="")
        print(f"\n    gone after seconds: {gone}\n    {storm.told}\n    the machine stood for {watched.stood:.2f} s")
    assert {way.name for way in ways} == set(storm.seen)
    assert not [told for told in storm.told.items() if str(told[1]).startswith("refused")]
    for seen in storm.seen.values():
        assert longest_gap(seen) <= LONGEST_GAP + watched.stood


def die_with_keys_down(way: Way) -> Line:
    """A line that goes dead, nothing being on its way; of forty letters BackSpace has deleted one."""
    viewer = Viewer(way.line(), way.password)
    viewer.type([ord("x")] * 40)
    for key in (BACKSPACE, CONTROL):
        viewer.press(key, down=True)
    viewer.picture((0, 0, 8, 8))
    assert way.keys_down() == 2
    wire.cut(viewer.line.connection)
    return viewer.line


def die_in_a_picture(way: Way) -> Line:
    """A line that goes dead while a picture is on its way."""
    viewer = Viewer(way.line(), way.password)
    viewer.request((0, 0, viewer.width, viewer.height), incremental=False)
    wire.cut(viewer.line.connection)
    return viewer.line


DYING = {"keys down": die_with_keys_down, "in a picture": die_in_a_picture}


def test_a_backspace_that_is_held_for_ever_deletes_one(ways: list[Way]) -> None:
    """Whose line went dead in the storm; and nothing is left down."""
    for way in ways:
        assert way.typed() == "x" * 39
        assert way.keys_down() == 0


def at_once(ways: list[Way], act: Callable[[Way, Viewer], None]) -> list[str]:
    """`act` on an empty field of each of `ways`; what is in it then."""

    def one(way: Way) -> str:
        viewer = Viewer(way.line(), way.password)
        viewer.press(CONTROL, down=True)
        viewer.type([ord("a")])
        viewer.press(CONTROL, down=False)
        viewer.type([BACKSPACE])
        act(way, viewer)
        viewer.picture((0, 0, 8, 8))  # an answer: what was sent before has been read
        viewer.line.connection.close()
        return way.typed()

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, ways))


def test_a_key_that_a_slow_line_holds_is_one(ways: list[Way]) -> None:
    """The viewer sends repeats by itself, if any are meant."""

    def hold(way: Way, viewer: Viewer) -> None:
        viewer.press(ord("a"), down=True)
        time.sleep(2)
        assert way.keys_down() == 1
        viewer.press(ord("a"), down=False)

    assert at_once(ways, hold) == ["a"] * len(ways)


def test_a_line_that_stalls_types_what_was_typed(ways: list[Way]) -> None:
    """Twenty letters; now and then a second passes between a key and its end."""
    letters = "abcdefghijklmnopqrst"

    def stall(_: Way, viewer: Viewer) -> None:
        stalls = random.Random(1)
        for letter in letters:
            for down in (True, False):
                viewer.press(ord(letter), down=down)
                time.sleep(stalls.choice((0, 0, 0, 0, 0, 0, 0, 0, 0.3, 1.2)))

    assert at_once(ways, stall) == [letters] * len(ways)


def test_letters_of_all_scripts_arrive_in_order(ways: list[Way]) -> None:
    """More than a key map has room for, and those of the user's own keyboard afterwards."""
    letters = "".join(
        map(chr, (*range(0x410, 0x450), *range(0x391, 0x3A2), *range(0x3A3, 0x3C2), *range(0x4E00, 0x4E1E)))
    )
    letters += "äöü"

    def write(_: Way, viewer: Viewer) -> None:
        viewer.type([ord(letter) if ord(letter) < 256 else 0x1000000 + ord(letter) for letter in letters], 0.02)

    assert at_once(ways, write) == [letters] * len(ways)


KILLED = """
ulimit -n "$(ulimit -Hn)"
for round in $(seq 20); do
    rm -f /tmp/vm-drill.sock
    Xtigervnc :9 -rfbport -1 -rfbunixpath /tmp/vm-drill.sock -SecurityTypes None -lf 1024 2>/dev/null &
    server=$!
    until DISPLAY=:9 timeout 2 xdpyinfo >/dev/null 2>&1; do sleep 0.02; done
    kill -9 $server
    wait $server 2>/dev/null
done
wc -l </proc/sysvipc/shm
find /dev/shm -type f | wc -l
"""


def test_servers_that_are_killed_leave_no_memory_behind(ways: list[Way]) -> None:
    """Shared memory of a server that is killed twenty times; it starts within a moment, whatever the limit of files."""
    begun = time.monotonic()
    done = ways[0].box.output("su", "-s", "/bin/sh", users.DESKTOP, "-c", KILLED)
    assert done.split() == ["1", "0"], done  # one is the heading
    assert time.monotonic() - begun < 20 * 4


def test_a_thousand_strangers_lock_out_their_own_address_alone(ways: list[Way]) -> None:
    """Xtigervnc itself would end. Who has logged in goes on, and so do the host's own checks."""
    public = ways[0]
    server = public.box.output("supervisorctl", "pid", "xtigervnc")
    viewer = Viewer(public.line(), public.password)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        for _ in range(STRANGERS):
            with suppress(ConnectionResetError):  # sent away as early as that
                stack.enter_context(public.line().connection)
        viewer.picture(WINDOW)
        public.box.wait_ready(5)
        files = public.box.output("sh", "-c", f"ls /proc/{server.strip()}/fd | wc -l")
        assert int(files) < 100, "all strangers came as far as the server"
    locked = public.line()
    locked.read(12)
    locked.send(b"RFB 003.008\n")
    assert locked.read(1) == b"\0", "no type of security: too many failures"
    public.box.wait_ready(5)
    viewer.picture(WINDOW)
    assert public.box.output("supervisorctl", "pid", "xtigervnc") == server
