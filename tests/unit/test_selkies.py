"""Selkies on our screen: its command line, and what takes the place of its own functions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from visomaster_host import desktop_size, paths, run_service, selkies, sound
from visomaster_host.problems import NotReady, Problem
from visomaster_host.services import known, pulseaudio
from visomaster_host.services import selkies as service

from spec.here import local
from spec.requirements import parse
from tests.unit.test_host_facts import host

PORTAL = host(access="portal", port=11111)
CONTAINER = {
    **{"SELKIES_COMMAND_ENABLED": "true", "SELKIES_PORT": "80", "USER": "somebody", "PASSWORD": "geheim"},
    **{"SUBFOLDER": "/evil", "PIXELFLUX_CU": "9500", "DISPLAY": ":9", "PYTHONPATH": "/workspace", "LD_PRELOAD": "x.so"},
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "SETTINGS", tmp_path / "settings.json")


def test_nothing_of_the_container_reaches_it() -> None:
    launch = service.launch(PORTAL)
    given = run_service.environment(known()["selkies"], launch.variables, CONTAINER)
    assert {name for name in given if name in CONTAINER} == {"DISPLAY", "USER", "PYTHONPATH"}
    assert (given["DISPLAY"], given["USER"]) == (":1", "visomaster")
    assert given["PYTHONPATH"] == f"{paths.PACKAGES}:{paths.SELKIES}"
    assert given["HOME"] == given["XDG_RUNTIME_DIR"] == str(paths.DESKTOP), "it makes ~/Desktop, and sockets"


def test_every_switch_is_off() -> None:
    options = service.options()
    for name in ("basic-auth", "dual-mode", "shared", "sharing", "collab", "player2", "metrics-http"):
        assert f"--enable-{name}=false" in options
    for name in ("command", "printing", "gamepad", "webcam", "microphone"):
        assert f"--{name}-enabled=false|locked" in options  # locked: the page has no button for it
    assert {"--second-screen=false", "--file-transfers=none", "--keyboard-shortcuts=false"} <= set(options)


def test_it_listens_for_caddys_group_alone() -> None:
    assert " ".join(service.options()).count(f"--unix-socket {paths.STREAM_SOCKET}") == 1
    assert known()["selkies"].umask == 0o007
    assert not [word for word in service.options() if word.startswith(("--port", "--addr", "--public"))]


def test_it_may_grow_to_what_the_start_says(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"screen_max": "2560x1440"}')
    assert service.launch(PORTAL).argv[3:5] == ("visomaster_host.selkies", "2560x1440")


def test_sound_is_found_where_there_is_some() -> None:
    assert sound.variables(PORTAL)["PULSE_SERVER"] == f"unix:{paths.SOUND_SOCKET}"
    assert sound.variables(host()) == sound.variables(host(access="portal", port=11111, screen="guide")) == {}


def test_pulseaudio_is_the_unpacked_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "PULSEAUDIO_LIBRARIES", tmp_path)
    with pytest.raises(Problem, match=r"expected one folder .*/pulse-VERSION/modules, found 0: deploy the host again"):
        pulseaudio.launch(PORTAL)
    (tmp_path / "pulse-16.1+dfsg1/modules").mkdir(parents=True)
    launch = pulseaudio.launch(PORTAL)
    command = " ".join(launch.argv)
    assert launch.variables["LD_LIBRARY_PATH"].endswith(f":{tmp_path}/pulse-16.1+dfsg1/modules"), "one needs another"
    assert f" -p {tmp_path}/pulse-16.1+dfsg1/modules " in command
    assert "sink_name=output" in command
    assert "tcp" not in command


def test_the_release_is_the_one_that_is_known() -> None:
    """Another one may call the functions that are replaced otherwise: docs/decisions/0017 says what to look at."""
    (wanted,) = [
        one for one in parse(local(paths.SELKIES_LOCK).read_text(encoding="utf-8"), "set") if one.name == "selkies"
    ]
    assert str(wanted.requirement) == "selkies==2.1.0"


class Server:
    """Selkies' server, as much as is followed."""

    def __init__(self) -> None:
        self.display_clients: dict[str, dict[str, int]] = {}
        self._reconfigure_lock = asyncio.Lock()
        self.laid_out: list[tuple[int, int]] = []

    async def reconfigure_displays(self) -> None:
        viewer = self.display_clients.get("primary")
        if viewer:
            self.laid_out.append((viewer["width"], viewer["height"]))


def release(*without: str) -> SimpleNamespace:
    """Selkies' module of this release, or one that has lost some names."""
    names = [selkies.READ_ROOT, *selkies.replacements(screen((0, 0)))]
    functions = {name: selkies.always((0, 0)) for name in names if name not in without}
    server = type("DataStreamingServer", (Server,), {})
    return SimpleNamespace(**functions, **({} if "DataStreamingServer" in without else {"DataStreamingServer": server}))


def screen(*sizes: tuple[int, int], most: tuple[int, int] = (3840, 2160)) -> selkies.Screen:
    """A screen that has these sizes, one after another, and then the last one."""
    left = list(sizes)

    async def read_root(fallback: tuple[int, int]) -> tuple[int, int]:
        return left.pop(0) if len(left) > 1 else left[0]

    return selkies.Screen(read_root, most)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes that the VNC server is asked for."""
    sizes: list[tuple[int, int]] = []
    monkeypatch.setattr(desktop_size, "resize", lambda path, width, height: sizes.append((width, height)))
    return sizes


@pytest.mark.parametrize(
    ("now", "size", "exact", "expected"),
    [
        ((1920, 1080), "1368x654", (1366, 654), [(1366, 654)]),
        ((1920, 1080), "1600x900", None, [(1600, 900)]),
        ((1280, 720), "1280x720", (1280, 720), []),
        ((1281, 721), "1280x720", (1280, 720), []),
        ((1920, 1080), "9000x1000", (9000, 1000), [(3840, 1000)]),
    ],
    ids=["what the page asked for", "the whole", "as it is", "another viewer's odd one", "no larger than it may be"],
)
def test_the_screen_is_resized_as_a_viewer_does(
    asked: list[tuple[int, int]],
    now: tuple[int, int],
    size: str,
    exact: tuple[int, int] | None,
    expected: list[tuple[int, int]],
) -> None:
    assert asyncio.run(screen(now).resize(size, 30.0, exact)) == (expected[0] if expected else now)
    assert asked == expected


def test_a_refused_size_is_said_and_no_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(path: Path, width: int, height: int) -> None:
        raise NotReady(f"{path}: nobody listens")

    monkeypatch.setattr(desktop_size, "resize", refuse)
    assert asyncio.run(screen((800, 600)).resize("1600x900")) is None
    assert capsys.readouterr().err == f"selkies: the screen keeps its size: {paths.VNC_SOCKET}: nobody listens\n"


def followed(watched: selkies.Screen, viewer: dict[str, int] | None, looks: int) -> list[tuple[int, int]]:
    """What a server lays out for `viewer` in so many looks at the screen."""

    async def watch() -> list[tuple[int, int]]:
        module = release()
        selkies.take_over(module, watched)
        server = module.DataStreamingServer()
        if viewer is not None:
            server.display_clients["primary"] = viewer
        await server.reconfigure_displays()
        await server.reconfigure_displays()  # of which one begins to follow
        assert len(asyncio.all_tasks()) == 2
        await asyncio.sleep(selkies.LOOK * (looks + 0.5))
        return server.laid_out[2 if viewer is not None else 0 :]

    return asyncio.run(watch())


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(1600, 900)], []),
        ([(1600, 900), (1281, 721)], [(1280, 720)]),
        ([(1600, 900), (0, 0)], []),
        ([(1600, 900), (1000, 700), (1000, 700), (1920, 1080)], [(1000, 700), (1920, 1080)]),
    ],
    ids=["nothing happens", "an odd size", "no screen", "each once"],
)
def test_what_another_viewer_makes_of_the_screen_is_followed(
    monkeypatch: pytest.MonkeyPatch, sizes: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(selkies, "LOOK", 0.01)
    assert followed(screen(*sizes), {"width": 1600, "height": 900}, 8) == expected


def test_unwatched_the_screen_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selkies, "LOOK", 0.01)
    looks: list[object] = []

    async def read_root(fallback: tuple[int, int]) -> tuple[int, int]:
        looks.append(fallback)
        return fallback

    assert followed(selkies.Screen(read_root, (1, 1)), None, 5) == []
    assert looks == []


def test_every_name_is_replaced() -> None:
    module = release()
    assert selkies.lacking(module) == []
    before = {name: getattr(module, name) for name in vars(module)}
    selkies.take_over(module, screen((0, 0)))
    same = {name for name, value in before.items() if getattr(module, name) is value}
    assert same == {selkies.READ_ROOT, "DataStreamingServer"}


class Execed(Exception):
    """This process has become another."""


@pytest.mark.parametrize("gone", ["resize_display", "DataStreamingServer", "read_realized_root"])
def test_another_release_leaves_the_screen_its_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gone: str
) -> None:
    began: list[str] = []
    modules = {"selkies.websockets_mode": release(gone), "selkies.__main__": SimpleNamespace(main=began.append)}

    def become(path: str, words: list[str]) -> None:
        raise Execed(*words)

    monkeypatch.setattr(selkies, "importlib", SimpleNamespace(import_module=modules.__getitem__))
    monkeypatch.setattr(selkies, "end_with_screen", lambda: None)
    monkeypatch.setattr(selkies.os, "execv", become)
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-m", "x", "3840x2160", "--mode=websockets"])
    monkeypatch.setattr(sys, "argv", ["x", "3840x2160", "--mode=websockets"])
    with pytest.raises(Execed) as execed:
        selkies.main()
    assert execed.value.args == (*sys.orig_argv, "--enable-resize=false")
    named = gone if gone != "DataStreamingServer" else "DataStreamingServer.reconfigure_displays"
    expected = f"selkies: this release has no {named}; going on: the desktop keeps its size\n"
    assert capsys.readouterr().err == expected
    modules["selkies.__main__"] = SimpleNamespace(main=lambda: began.append("selkies"))
    monkeypatch.setattr(sys, "argv", ["x", "3840x2160", "--mode=websockets", "--enable-resize=false"])
    selkies.main()
    assert began == ["selkies"]
    assert sys.argv == ["x", "--mode=websockets", "--enable-resize=false"], "what Selkies reads itself"


def test_it_ends_with_its_screen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Selkies itself would go on, and try for ever to reach a display that is gone."""
    import socket

    ours, server = socket.socketpair()
    display = SimpleNamespace(display=SimpleNamespace(socket=ours))
    xlib = SimpleNamespace(Display=lambda: display)
    ended: list[int] = []
    threads: list[Callable[[], None]] = []

    def thread(target: Callable[..., Any], args: tuple[Any, ...], daemon: bool) -> SimpleNamespace:
        return SimpleNamespace(start=lambda: threads.append(lambda: target(*args)))

    monkeypatch.setattr(selkies, "importlib", SimpleNamespace(import_module={"selkies.Xlib.display": xlib}.__getitem__))
    monkeypatch.setattr(selkies.threading, "Thread", thread)
    monkeypatch.setattr(selkies.os, "_exit", ended.append)
    selkies.end_with_screen()
    server.sendall(b"an event that nobody asked for" * 500)
    server.close()
    threads[0]()
    assert ended == [1]
    assert capsys.readouterr().err == "selkies: the X server is gone\n"
