"""What counts as use of a rented machine, and what does not."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from visomaster_host import paths, runs
from visomaster_host.host import Host
from visomaster_host.lease.activity import LASTS, Activity

from tests.unit.test_host_facts import host

PORTAL = {"access": "portal", "port": 11111}
PROGRAM, FILES = 20, 30


class Seen:
    """A machine on which nothing goes on but what a test writes into its /proc."""

    def __init__(self, folder: Path, described: Host) -> None:
        self.folder = folder
        self.gpu = folder / "nvidia-smi"
        self.activity = Activity(
            host=described, program="the program", files="the files", gpu=(sys.executable, str(self.gpu))
        )
        self.now = 100.0
        for number in (PROGRAM, FILES):
            self.process(number)
        self.tells("")
        self.moved(0)

    def process(self, number: int, name: str = "python", parent: int = 1, ticks: int = 0, state: str = "S") -> None:
        """The process `number`, called `name`."""
        (self.folder / str(number)).mkdir(exist_ok=True)
        text = f"{number} ({name}) {state} {parent} 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5\n"
        (self.folder / str(number) / "stat").write_text(text)

    def moved(self, count: int) -> None:
        """How much the service for files has read and written."""
        (self.folder / str(FILES) / "io").write_text(f"rchar: {count}\nwchar: 10\nsyscr: 5\n")

    def tells(self, said: str) -> None:
        """What the driver says of the GPUs."""
        self.gpu.write_text(f"print({said!r})\n")

    def look(self, after: float = 15.0) -> str:
        self.now += after
        return self.activity.look(self.now)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Seen:
    for name in ("UNIX_SOCKETS", "FETCH_STATE"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr(paths, "PROCESSES", tmp_path)
    monkeypatch.setattr(paths, "TCP_CONNECTIONS", (tmp_path / "tcp", tmp_path / "tcp6"))
    (tmp_path / "unix_sockets").write_text("Num RefCount Protocol Flags Type St Inode Path\n")
    numbers = {"the program": SimpleNamespace(pid=PROGRAM), "the files": SimpleNamespace(pid=FILES)}
    monkeypatch.setattr(runs, "read", numbers.get)
    return Seen(tmp_path, host(**getattr(request, "param", PORTAL)))


def connect(seen: Seen, place: Path, number: int) -> None:
    with (seen.folder / "unix_sockets").open("a") as file:
        file.write(f"0000000000000000: 00000003 00000000 00000000 0001 03 {number} {place}\n")


def tcp(seen: Seen, port: int, inode: int, table: str = "tcp", state: str = "01") -> None:
    with (seen.folder / table).open("a") as file:
        file.write("  sl  local_address rem_address\n")
        file.write(f"   0: 0100007F:{port:04X} 0100007F:D431 {state} 0:0 0:0 0 3717 0 {inode} 1 0\n")


def test_a_machine_on_which_nothing_goes_on_is_not_used(seen: Seen) -> None:
    assert [seen.look() for _ in range(8)] == [""] * 8


@pytest.mark.parametrize(
    ("place", "what"),
    [("STREAM_SOCKET", "at the desktop"), ("VNC_SOCKET", "at the desktop"), ("FILES_SOCKET", "a file is on its way")],
)
def test_a_connection_that_lasts_is_somebodys(seen: Seen, place: str, what: str) -> None:
    connect(seen, getattr(paths, place), 4711)
    assert seen.look() == ""
    assert what in seen.look(LASTS)


@pytest.mark.parametrize(
    ("seen", "port"),
    [(PORTAL, 6080), ({}, 5900), ({"screen": "guide"}, 5901), ({**PORTAL, "screen": "guide"}, 5900)],
    indirect=["seen"],
)
def test_a_viewer_over_tcp_is_one(seen: Seen, port: int) -> None:
    tcp(seen, port, 99, table="tcp6")
    assert seen.look() == ""
    assert "at the desktop" in seen.look(LASTS)


@pytest.mark.parametrize("seen", [{}], indirect=True)
def test_who_knocks_is_none(seen: Seen) -> None:
    """Each look finds another connection; and one to the gate of the public port is nobody's yet."""
    for number in range(1, 20):
        (seen.folder / "tcp").unlink(missing_ok=True)
        tcp(seen, 5900, number)
        tcp(seen, 5901, 7)
        tcp(seen, 5900, 8, state="0A")
        assert seen.look() == ""


@pytest.mark.parametrize(("said", "used"), [("0\n3\n", ""), ("0\n80\n", "80 %"), ("[N/A]\n", ""), ("no driver", "")])
def test_a_gpu_that_works_is_use(seen: Seen, said: str, used: str) -> None:
    seen.tells(said)
    assert seen.look() == (f"the GPU works ({used})" if used else "")


def test_where_there_is_no_gpu_the_programs_own_work_is(seen: Seen) -> None:
    """Of all the processes it has started, but of nobody else's."""
    seen.activity.gpu = (str(seen.folder / "no-such-program"),)
    seen.process(21, parent=PROGRAM)
    seen.process(22, parent=21)
    seen.process(40, parent=1)
    assert seen.look() == ""
    seen.process(40, parent=1, ticks=1_000_000)
    seen.process(22, parent=21, ticks=30)
    assert seen.look() == ""
    seen.process(22, parent=21, ticks=30 + 15 * 50)
    assert seen.look() == "the program works (50% of a processor)"
    assert seen.look() == ""


def test_a_recording_and_what_goes_over_ssh_are_use(seen: Seen) -> None:
    for name in ("ffmpeg", "rsync"):
        seen.process(50, name=name)
        assert seen.look() == f"{name} runs"
        seen.process(50, name=name, state="Z")
        assert seen.look() == ""


def test_files_on_their_way_are_use_and_a_look_at_the_portal_is_not(seen: Seen) -> None:
    assert seen.look() == ""
    seen.moved(15 * 1500)
    assert seen.look() == ""
    seen.moved(15 * 1500 + 15 * 9000)
    assert seen.look() == "files go up or down"
    assert seen.look() == ""


def test_models_that_arrive_are_use(seen: Seen) -> None:
    paths.FETCH_STATE.write_text('{"status": "running"}')
    assert seen.look() == "models are being fetched"
    paths.FETCH_STATE.write_text('{"status": "done"}')
    assert seen.look() == ""


@pytest.mark.parametrize("text", ["", "1 (x", "1 (x) S\n", "1 (a) b) S x y\n"])
def test_what_cannot_be_read_is_not_used_and_ends_nothing(seen: Seen, text: str) -> None:
    (seen.folder / "60").mkdir()
    (seen.folder / "60/stat").write_text(text)
    (seen.folder / "tcp").write_text("head\nnonsense\n")
    assert seen.look() == ""


def test_the_kernels_own_tables_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real connection to the port, and one to the socket."""
    place = tmp_path / "stream.sock"
    monkeypatch.setattr(paths, "STREAM_SOCKET", place)
    activity = Activity(host=host(**PORTAL), program="none", files="none", gpu=("true",))
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as viewer:
        listener.bind(str(place))
        listener.listen()
        viewer.connect(str(place))
        connection, _ = listener.accept()
        with connection:
            activity._viewers(0.0)
            assert "at the desktop" in activity._viewers(LASTS)
