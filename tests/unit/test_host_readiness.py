"""Readiness: reading what the X tools print, the VNC handshake, what is said of a missing part."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from visomaster_host import display, ready, rfb
from visomaster_host.host import Host
from visomaster_host.problems import NotReady
from visomaster_host.service import Check
from visomaster_host.waiting import Waiting

from tests.unit.test_host_facts import host


@pytest.mark.parametrize(
    ("printed", "windows"),
    [
        ("_NET_CLIENT_LIST(WINDOW): window id # 0x600003, 0x80000a\n", ["0x600003", "0x80000a"]),
        (
            '_NET_SUPPORTING_WM_CHECK(WINDOW): window id # 0x200024\n_NET_WM_NAME(STRING) = "0x1"\n',
            ["0x200024"],
        ),
        ("_NET_CLIENT_LIST(WINDOW): window id # \n", []),
        ("_NET_CLIENT_LIST:  no such atom on any window.\n", []),
        ("_NET_CLIENT_LIST:  not found.\n", []),
    ],
)
def test_window_numbers(printed: str, windows: list[str]) -> None:
    assert display.window_ids(printed) == windows


@pytest.mark.parametrize(
    ("title", "state", "expected"),
    [
        ('"VisoMaster v0.1.4"', "IsViewable", ("VisoMaster v0.1.4", True)),
        ('"say "hi""', "IsUnMapped", ('say "hi"', False)),
        ("(has no name)", "IsUnviewable", ("", False)),
    ],
)
def test_windows(title: str, state: str, expected: tuple[str, bool]) -> None:
    printed = f"\nxwininfo: Window id: 0x600003 {title}\n\n  Width: 10\n  Map State: {state}\n  Override Redirect\n"
    assert display.parse_window(printed) == expected


def answers(monkeypatch: pytest.MonkeyPatch, **by_command: str) -> None:
    def ask(_host: Host, *command: str) -> str:
        return next(by_command[key] for key in by_command if key in "_".join(command))

    monkeypatch.setattr(display, "_ask", ask)


def test_a_hidden_window_of_that_title_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    window = 'xwininfo: Window id: 0x1 "VisoMaster Sandbox - 3 models"\n  Map State: {}\n'
    answers(monkeypatch, xwininfo=window.format("IsUnMapped"), xprop="(WINDOW): window id # 0x1")
    with pytest.raises(NotReady, match="hidden"):
        display.application_window(host())
    answers(monkeypatch, xwininfo=window.format("IsViewable"), xprop="(WINDOW): window id # 0x1")
    assert "3 models" in display.application_window(host())


def test_a_killed_window_manager_leaves_its_property_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, root="(WINDOW): window id # 0x1", xprop="_NET_SUPPORTING_WM_CHECK:  not found.")
    with pytest.raises(NotReady, match="gone"):
        display.window_manager(host())


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    def accept() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(5)
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()
        thread.join(10)


def vnc_server(types: bytes, then: bytes = b"") -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"RFB 003.008\n")
        assert rfb.receive(connection, 12) == b"RFB 003.008\n"
        connection.sendall(bytes([len(types)]) + types)
        if then:
            rfb.receive(connection, 1)
            connection.sendall(then)

    return serve


def test_a_server_that_asks_for_the_password_is_ready() -> None:
    with server(vnc_server(b"\x02", b"c" * 16)) as address:
        assert "asks for the password" in rfb.handshake(address, rfb.PASSWORD)


def test_an_open_server_on_loopback_tells_its_screen() -> None:
    with server(vnc_server(b"\x01\x02", b"\0\0\0\0" + b"\x07\x80\x04\x38")) as address:
        assert rfb.handshake(address, rfb.NO_PASSWORD).endswith("1920x1080")


@pytest.mark.parametrize(
    ("serve", "security", "said"),
    [
        (vnc_server(b"\x01"), rfb.PASSWORD, "offers the security types"),
        (vnc_server(b"\x01\x02"), rfb.PASSWORD, "offers the security types"),
        (vnc_server(b"\x02"), rfb.NO_PASSWORD, "offers the security types"),
        (vnc_server(b""), rfb.PASSWORD, "offers the security types"),
        (vnc_server(b"\x02", b"short"), rfb.PASSWORD, "closed the connection"),
        (vnc_server(b"\x01", b"\0\0\0\1"), rfb.NO_PASSWORD, "refuses"),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), rfb.PASSWORD, "no VNC server"),
        (lambda connection: None, rfb.PASSWORD, "closed the connection|reset by peer"),
    ],
)
def test_everything_else_is_not_ready(serve: Callable[[socket.socket], None], security: int, said: str) -> None:
    with server(serve) as address, pytest.raises(NotReady, match=said):
        rfb.handshake(address, security)


def test_a_server_that_says_nothing_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfb, "ANSWER_WITHIN", 0.1)
    done = threading.Event()
    with server(lambda connection: done.wait(5) and None) as address:
        with pytest.raises(NotReady, match="timed out"):
            rfb.handshake(address, rfb.PASSWORD)
        done.set()


def test_what_the_system_says_is_told_in_words(tmp_path: Path) -> None:
    """Of a server that is not there yet, on a port or a socket: without the number that Python shows."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        gone = listening.getsockname()
    for address in (gone, tmp_path / "none"):
        with pytest.raises(NotReady, match=r": nobody listens there$"):
            rfb.handshake(address, rfb.NO_PASSWORD)


def missing(host: Host) -> str:
    raise NotReady("no display")


@pytest.fixture
def two_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (Check(name="x", probe=missing), Check(name="window", probe=lambda host: "there", after="x"))
    monkeypatch.setattr(ready, "checks_for", lambda host: [(check, "some") for check in checks])
    monkeypatch.setattr(ready, "_state_of", lambda service: "")


@pytest.mark.usefixtures("two_parts")
def test_what_stands_on_a_missing_part_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert ready.wait_until_ready(host(), 0, ready.print_lines) == 1
    assert capsys.readouterr().out == "missing x: no display\nmissing window: needs x\n"


def test_parts_that_stand_on_no_other_are_tried_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """x11vnc and websockify each take their time: one probe meets the other."""
    meeting = threading.Barrier(2)

    def meet(host: Host) -> str:
        meeting.wait(10)
        return "met"

    checks = (Check(name="vnc", probe=meet), Check(name="websocket", probe=meet))
    monkeypatch.setattr(ready, "checks_for", lambda host: [(check, "some") for check in checks])
    assert [(result.name, result.detail) for result in ready.look(host())] == [("vnc", "met"), ("websocket", "met")]


@pytest.mark.usefixtures("two_parts")
def test_waiting_is_one_line_and_the_reasons_come_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "POLL", 0.01)
    assert ready.wait_until_ready(host(), 0.1, ready.print_lines) == 1
    assert capsys.readouterr().out.splitlines() == [
        "waiting: x, window",
        "missing x: no display",
        "missing window: needs x",
    ]
    assert ready.wait_until_ready(host(), 0.1, ready.print_json) == 1
    assert json.loads(capsys.readouterr().out)["ready"] is False


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_line_changes_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter((0.0, 0.0, 3.0))
    terminal = Terminal()
    waiting = Waiting(terminal, clock=lambda: next(seconds))
    waiting.show(["screen", "program"])
    waiting.show(["program"])
    waiting.end()
    shown = "\r\x1b[K"
    assert terminal.getvalue() == f"{shown}waiting: screen, program … 0 s{shown}waiting: program … 3 s{shown}"


@pytest.mark.usefixtures("two_parts")
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals_that_want_them(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert ready.wait_until_ready(host(), 0, ready.print_lines) == 1
    first = terminal.getvalue().splitlines()[0]
    assert first == ("\x1b[31mmissing\x1b[0m x: no display" if coloured else "missing x: no display")


@pytest.mark.parametrize("seconds", ["-1", "soon", "1e9", "nan"])
def test_a_wrong_wait_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        ready.main(["--wait", seconds])
    assert "--wait" in capsys.readouterr().err
