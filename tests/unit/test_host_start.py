"""Starting: which of the three situations it is, the lock, and joining a supervisord that runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from visomaster_host import addresses, container, credentials, paths, start, supervisor
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.environment import Environment
from visomaster_host.files import Owner, ensure_directory
from visomaster_host.host import Host
from visomaster_host.prepared import is_prepared
from visomaster_host.problems import Problem
from visomaster_host.services import services_for
from visomaster_host.settings import Settings
from visomaster_host.supervisor import Program

from tests.unit.test_host_facts import host

ME = Owner(uid=os.getuid(), gid=os.getgid())


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "RUN", tmp_path)
    monkeypatch.setattr(paths, "START_LOCK", tmp_path / "start.lock")
    monkeypatch.setattr(paths, "PREPARED", tmp_path / "prepared")
    monkeypatch.setattr(paths, "SUPERVISOR_SOCKET", tmp_path / "supervisor.sock")
    monkeypatch.setattr(start, "ensure_directory", lambda path, mode: ensure_directory(path, mode=mode, owner=ME))
    return tmp_path


@pytest.mark.parametrize(
    ("pid", "parent", "init", "main"),
    [
        (1, 0, "visomaster-star", True),
        (7, 1, "docker-init", True),
        (7, 1, "tini", True),
        (7, 1, "bash", False),
        (7, 0, "tini", False),
        (7, 3, "tini", False),
    ],
)
def test_the_containers_main_program(pid: int, parent: int, init: str, main: bool) -> None:
    assert start.is_main_program(pid, parent, init) is main


def test_the_lock_is_held_once_and_given_back(run: Path) -> None:
    lock = start.take_lock()
    assert not os.get_inheritable(lock)
    with pytest.raises(Problem, match="another visomaster-start"):
        start.take_lock(within=0.05)
    os.close(lock)
    os.close(start.take_lock(within=0))


def test_a_forked_child_holds_the_lock_too(run: Path) -> None:
    lock = start.take_lock()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(lock)
    with pytest.raises(Problem):
        start.take_lock(within=0.05)
    os.close(writing)
    os.waitpid(child, 0)
    os.close(start.take_lock(within=1))


class Running:
    """A supervisord that knows some programs, and would find others on rereading its configuration."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, known: list[str], found: list[str]) -> None:
        self.did: list[str] = []
        states = {name: Program(name=name, state="RUNNING", why="") for name in known}
        monkeypatch.setattr(supervisor, "programs", lambda: states)
        monkeypatch.setattr(supervisor, "pid", lambda: 42)
        monkeypatch.setattr(supervisor, "reread", lambda: set(found))
        monkeypatch.setattr(supervisor, "add", self.did.append)
        monkeypatch.setattr(start, "make_log_directories", lambda: None)
        monkeypatch.setattr(start, "prepare", self.prepare)

    def prepare(self, host: Host, checked: Environment, *, new_cookie: bool) -> None:
        self.did.append(f"prepare with {'a new' if new_cookie else 'the old'} cookie")


def test_running_services_are_left_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "prepared").write_text(f"vnc 5901 0 tigervnc :1 5 {container.identity()}\n")
    running = Running(monkeypatch, [*host().services, "theirs"], [])
    assert "already running under supervisord (process 42)" in start.join_running(host(), Environment())
    assert running.did == []


def test_what_an_older_version_has_prepared_is_prepared_anew(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It made other folders; what runs goes on with the X server's cookie that it has."""
    (run / "prepared").write_text("vnc 5901 0 tigervnc :1 3\n")
    running = Running(monkeypatch, [*host().services, "theirs"], [])
    start.join_running(host(), Environment())
    assert running.did == ["prepare with the old cookie"]


def test_a_copy_of_a_container_is_prepared_anew(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/run is in the copy, too: its services wait until its own secrets are there."""
    monkeypatch.setattr(container, "identity", lambda: "the first")
    (run / "prepared").write_text("vnc 5901 0 tigervnc :1 5 the first\n")
    assert is_prepared(host())
    monkeypatch.setattr(container, "identity", lambda: "its copy")
    running = Running(monkeypatch, list(host().services), [])
    start.join_running(host(), Environment())
    assert running.did == ["prepare with the old cookie"]


def test_services_are_added_to_somebody_elses_supervisord(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, ["theirs"], [*host().services, "another of theirs"])
    start.join_running(host(), Environment())
    assert running.did == ["prepare with a new cookie", *host().services]


def test_one_that_does_not_include_ours_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, ["theirs"], [])
    with pytest.raises(Problem, match=r"does not include .* xtigervnc"):
        start.join_running(host(), Environment())
    assert running.did == []


def test_services_started_by_the_machine_wait_for_the_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(monkeypatch, list(host().services), [])
    start.join_running(host(), Environment())
    assert running.did == ["prepare with the old cookie"]


def test_another_variant_is_prepared_anew(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its services, which supervisord has started already, wait for a token that only the preparation makes."""
    (run / "prepared").write_text(f"portal 11111 11443 tigervnc :1 5 {container.identity()}\n")
    assert not is_prepared(host())
    running = Running(monkeypatch, list(host().services), [])
    start.join_running(host(), Environment())
    assert running.did == ["prepare with the old cookie"]


def test_a_socket_left_by_a_killed_supervisord_is_not_one_that_listens(run: Path) -> None:
    import socket

    assert not supervisor.is_listening()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(run / "supervisor.sock"))
        assert not supervisor.is_listening()
        server.listen()
        assert supervisor.is_listening()
    assert not supervisor.is_listening()


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert start.main(["--fast"]) == 1
    assert "unknown option '--fast'" in capsys.readouterr().err


def test_the_token_is_quoted_in_the_portals_address() -> None:
    portal = host(access="portal", port=11111)
    found = credentials.credentials(portal, Settings(public_address="203.0.113.7:40123"), "a&b=c %d/é and more")
    assert found["url"] == "http://203.0.113.7:40123/?token=a%26b%3Dc%20%25d%2F%C3%A9%20and%20more"
    assert found["token"] == "a&b=c %d/é and more"
    assert re.fullmatch("/~[A-Za-z0-9_-]{22}/", found["base"])


def test_the_password_comes_with_the_address() -> None:
    assert credentials.credentials(host(), Settings(), "secret12")["password"] == "secret12"
    portal = host(access="portal", port=11111)
    assert addresses.address(portal, Settings(public_address="203.0.113.7:1")) == "http://203.0.113.7:1/"
    assert addresses.address(host(), Settings()) == f"{addresses.UNKNOWN_ADDRESS}:{host().port}"


def calls_of(monkeypatch: pytest.MonkeyPatch, *known: Program) -> list[tuple[str, ...]]:
    """What supervisord is asked to do from now on, `known` being its programs."""
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(supervisor, "programs", lambda: {program.name: program for program in known})
    monkeypatch.setattr(supervisor, "_call", lambda *words: calls.append(words))
    return calls


@pytest.mark.parametrize(
    ("state", "stopped"), [("RUNNING", True), ("BACKOFF", True), ("STOPPED", False), ("FATAL", False)]
)
def test_a_restart_stops_what_runs(state: str, stopped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = calls_of(monkeypatch, Program(name="caddy", state=state, why=""))
    supervisor.restart("caddy")
    assert calls == [("supervisor.stopProcess", "caddy")] * stopped + [("supervisor.startProcess", "caddy", False)]


def test_a_restart_of_a_stranger_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls_of(monkeypatch) == []
    with pytest.raises(Problem, match="knows no caddy"):
        supervisor.restart("caddy")


@pytest.mark.parametrize(("access", "services"), [("vnc", ["vnc_gate"]), ("portal", ["portal", "visomaster_caddy"])])
def test_a_new_secret_is_put_to_use(access: str, services: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The services that go by it read the old one when they started; who holds the port goes on."""
    did: list[object] = []
    monkeypatch.setattr(credentials, "read_secret", lambda name: "old")
    monkeypatch.setattr(credentials.environment, "renew", lambda host, wanted: did.append(wanted))
    monkeypatch.setattr(supervisor, "is_listening", lambda: True)
    monkeypatch.setattr(supervisor, "restart", did.append)
    names = tuple(each.name for each in services_for(Access(access), ModelsAt.BUILD))
    credentials.replace(host(access=access, services=names), "mine")
    assert did == ["mine", *services]


def test_a_host_that_was_never_started_has_no_secret_to_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "read_secret", lambda name: None)
    with pytest.raises(Problem, match="run visomaster-start first"):
        credentials.replace(host(), None)
