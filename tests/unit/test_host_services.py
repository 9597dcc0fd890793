"""The services' table: what each runs, with which variables, and how supervisord is told about it."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from visomaster_host import display, limits, needs, paths, prepared, run_service
from visomaster_host.choices import Access, ModelsAt, Screen
from visomaster_host.host import Host
from visomaster_host.problems import NotReady, Problem
from visomaster_host.service import STOP_WITHIN, Need
from visomaster_host.services import known, services_for, x11vnc, xvfb

from tests.unit.test_host_facts import host


def text(argv: tuple[str, ...]) -> str:
    return " ".join(argv)


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("models", ModelsAt)
@pytest.mark.parametrize("screen", Screen)
def test_every_service_of_a_host_can_be_run(access: Access, models: ModelsAt, screen: Screen) -> None:
    services = services_for(access, models, screen)
    assert {each.name for each in services} <= set(known())
    assert [each.priority for each in services] == sorted(each.priority for each in services)
    assert ("visomaster_caddy" in {each.name for each in services}) == (access is Access.PORTAL)
    assert ("xvfb" in {each.name for each in services}) == (screen is Screen.GUIDE)
    assert ("visomaster_fetch" in {each.name for each in services}) == (models is ModelsAt.START)


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("screen", Screen)
def test_all_services_stop_within_what_docker_gives(access: Access, screen: Screen) -> None:
    assert sum(each.stopwaitsecs for each in services_for(access, ModelsAt.START, screen)) < STOP_WITHIN


def test_a_public_vnc_server_takes_its_password_from_a_file() -> None:
    command = text(x11vnc.command(host(screen="guide")))
    assert f"-rfbport 5901 -passwdfile rm:{paths.X11VNC_PASSWORD}" in command.replace(
        text(x11vnc.TUNING) + " ", ""
    ).replace(text(x11vnc.NO_IPV6) + " ", "")
    assert "-nopw" not in command
    assert "-noipv6 -rfbportv6 -1" in command


def test_behind_a_portal_vnc_is_on_loopback_alone() -> None:
    command = text(x11vnc.command(host(access="portal", port=11111, screen="guide")))
    assert "-rfbport 5900" in command
    assert "-localhost -nopw" in command
    assert "11111" not in command


def test_xvfb_demands_the_cookie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(display, "make_room", lambda host: None)
    monkeypatch.setattr(paths, "MESA_EGL", tmp_path / "mesa.json")
    launch = xvfb.launch(host())
    assert f"-nolisten tcp -auth {paths.XAUTHORITY}" in text(launch.argv)
    assert launch.variables == {}
    (tmp_path / "mesa.json").touch()
    assert xvfb.launch(host()).variables == {"__EGL_VENDOR_LIBRARY_FILENAMES": str(tmp_path / "mesa.json")}


def test_stale_locks_go_but_a_living_display_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "X11_LOCKS", tmp_path)
    monkeypatch.setattr(paths, "X11_SOCKETS", tmp_path)
    tmp_path.chmod(0o1777)
    endpoint, lock = tmp_path / "X1", tmp_path / ".X1-lock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(endpoint))
        server.listen()
        lock.write_text("1")
        with pytest.raises(Problem, match="another X server"):
            display.make_room(host())
        assert lock.exists()
    display.make_room(host())
    assert not lock.exists()
    assert not endpoint.exists()


def test_a_service_sees_no_more_of_the_environment_than_it_may() -> None:
    inherited = {
        "CUDA_VISIBLE_DEVICES": "0",
        "HF_TOKEN": "s",
        "CONTAINER_API_KEY": "s",
        "HOME": "/root",
        "TZ": "UTC",
    }
    seen = run_service.environment(known()["visomaster_app"], {"DISPLAY": ":1"}, inherited)
    assert seen == {
        "CUDA_VISIBLE_DEVICES": "0",
        "DISPLAY": ":1",
        "HOME": "/home/visomaster",
        "LANG": "C.UTF-8",
        "LOGNAME": "visomaster",
        "PATH": paths.SYSTEM_PATH,
        "TZ": "UTC",
        "USER": "visomaster",
    }
    assert "HF_TOKEN" in run_service.environment(known()["visomaster_fetch"], {}, inherited)


def test_a_service_sees_values_without_what_stood_around_them() -> None:
    """As `--env-file` and a file of DOS bring them: a proxy's address with a line break is none."""
    inherited = {"HF_TOKEN": "s\r", "https_proxy": '"http://10.0.0.1:3128"\n'}
    seen = run_service.environment(known()["visomaster_fetch"], {}, inherited)
    assert (seen["HF_TOKEN"], seen["https_proxy"]) == ("s", "http://10.0.0.1:3128")


def test_the_application_waits_for_models_only_when_they_come_at_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A marker that somebody else's fetch left in a store of all is not enough."""
    monkeypatch.setattr(paths, "MODEL_STORE", tmp_path)
    monkeypatch.setattr(paths, "FETCH_STATE", tmp_path / "fetch.json")
    needs.models(host())
    (tmp_path / ".downloaded").touch()
    for state in (None, "{", '{"status":"running"}', '{"status":"failed"}', "[]"):
        if state is not None:
            paths.FETCH_STATE.write_text(state)
        with pytest.raises(NotReady, match="fetched"):
            needs.models(host(models="start"))
    paths.FETCH_STATE.write_text('{"status":"failed","files":[{"path":"a","error":null},{"path":"b","error":"404"}]}')
    with pytest.raises(NotReady, match=r"^some models could not be fetched, and are tried again: b: 404$"):
        needs.models(host(models="start"))
    paths.FETCH_STATE.write_text('{"status":"done"}')
    needs.models(host(models="start"))


def test_a_wait_ends_when_the_thing_is_there_or_time_is_over() -> None:
    looks = iter([False, False, True])

    def probe(host: Host) -> str:
        if not next(looks, False):
            raise NotReady("not yet")
        return "there"

    run_service.wait_for(Need(probe=probe, within=5), host())
    with pytest.raises(Problem, match="gave up after 0 s: not yet"):
        run_service.wait_for(Need(probe=probe, within=0), host())


@pytest.fixture
def prepared_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    """A host whose preparation is done and whose models come at start, and are not there yet."""
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    monkeypatch.setattr(paths, "FETCH_STATE", tmp_path / "fetch.json")
    monkeypatch.setattr(run_service, "read_host", lambda: found)
    found = host(models="start")
    paths.PREPARED.write_text(prepared._signature(found))
    return found


@pytest.mark.usefixtures("prepared_host")
def test_supervisord_becomes_services_that_start_at_once() -> None:
    assert run_service.starts_at_once(["x11vnc"])
    assert not run_service.starts_at_once(["visomaster_app"])  # waits for models, and may be seen waiting
    paths.FETCH_STATE.write_text('{"status":"done"}')
    assert run_service.starts_at_once(["visomaster_app"])
    assert not run_service.starts_at_once(["visomaster_fetch"])  # stays, to try again
    assert not run_service.starts_at_once(["nothing"])
    assert not run_service.starts_at_once([])


@pytest.mark.usefixtures("prepared_host")
def test_replaced_code_is_not_run_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_service.__file__ in run_service._LOADED
    monkeypatch.setattr(run_service, "_LOADED", {**run_service._LOADED, run_service.__file__: (1, 1)})
    assert not run_service.starts_at_once(["x11vnc"])


@pytest.mark.usefixtures("prepared_host")
def test_services_of_an_unprepared_host_wait_by_themselves() -> None:
    paths.PREPARED.unlink()
    assert not run_service.starts_at_once(["x11vnc"])


def test_a_forked_service_is_as_if_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With supervisord's variables, without its signal handlers, and without what the interpreter does at its end."""
    monkeypatch.setattr(run_service, "main", lambda arguments: 40 + (os.environ.copy() == {"A": arguments[0]}))
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        if (child := os.fork()) == 0:
            run_service.run_forked(["x"], {"A": "x"})
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 41
        monkeypatch.setattr(run_service, "main", lambda arguments: time.sleep(9) or 0)
        if (child := os.fork()) == 0:
            run_service.run_forked(["x"], {})
        for _ in range(100):
            os.kill(child, signal.SIGTERM)
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.05)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["xvfb", "fluxbox"]])
def test_an_unknown_service_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_service.main(arguments) == 1
    assert "expected one name of visomaster_front, " in capsys.readouterr().err


def test_a_failed_one_shot_is_not_restarted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(run_service.time, "sleep", slept.append)
    assert run_service.run_once(("/bin/sh", "-c", "exit 3"), dict(os.environ)) == 3
    assert slept == [run_service.TRY_AGAIN_AFTER]
    assert run_service.run_once(("/bin/true",), {}) == 0
    assert len(slept) == 1


@pytest.mark.parametrize(
    ("visible", "granted", "pids_max", "cap"),
    [(8, 8, None, None), (8, 8, 4096, None), (384, 46, 2048, 46), (384, 384, 1024, 32), (16, 16, 20, 1)],
)
def test_thread_pools_are_capped_where_processes_are_few(
    visible: int, granted: int, pids_max: int | None, cap: int | None
) -> None:
    assert limits.thread_cap(visible=visible, granted=granted, pids_max=pids_max) == cap
