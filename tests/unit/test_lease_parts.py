"""The lease's parts: what is read, what is kept in which file, what Vast is asked, and who may ask for more."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest
from visomaster_host import container, environment, paths, store
from visomaster_host.environment import read_environment
from visomaster_host.files import Owner, ensure_directory, write_atomic
from visomaster_host.lease import cli, door, instance, serve, terms, times, told
from visomaster_host.lease.api import Failed, Vast
from visomaster_host.lease.asked import OnEnd
from visomaster_host.lease.clock import Clock, since_boot
from visomaster_host.lease.instance import Instance
from visomaster_host.lease.keeper import Ending, State
from visomaster_host.lease.terms import Terms, TooLate
from visomaster_host.problems import Problem
from visomaster_host.services import lease as lease_service
from visomaster_host.settings import Settings

from tests.unit.lease_world import BEGAN, KEY, fake_vast
from tests.unit.test_host_facts import host

ME = Owner(uid=os.getuid(), gid=os.getgid())
GIVEN = {"CONTAINER_ID": "7", "CONTAINER_API_KEY": KEY}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's files elsewhere, in the container `first`."""
    for name in ("STATE", "RUN", "STAND_INS", "LEASE_DOOR"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()
    for name in ("SECRETS", "CONTAINER", "LEASE"):
        monkeypatch.setattr(paths, name, paths.STATE / name.lower())
    for name in ("SETTINGS", "LEASE_LOCK", "LEASE_TOLD", "LEASE_MENU"):
        monkeypatch.setattr(paths, name, paths.RUN / name.lower())
    for module in (store, environment, container, terms, told):
        monkeypatch.setattr(module, "ROOT", ME)
    for module in (store, container, terms):
        monkeypatch.setattr(module, "ensure_directory", lambda path, mode: ensure_directory(path, mode=mode, owner=ME))
    monkeypatch.setattr(container, "identity", lambda: "first")
    return tmp_path


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        *(
            ("LEASE_UNTIL", value, "LEASE_UNTIL must be a time in UTC")
            for value in ("tomorrow", "2026-11-27T05:00", "2026-13-27T05:00Z", "2026-11-27T05:00+01:00", "-1")
        ),
        ("ON_END", "delete", 'ON_END must be "stop" or "destroy"'),
        *(("IDLE", value, "IDLE must be whole minutes") for value in ("-1", "1h", "99999", "0.5")),
        *(
            ("LEASE_API", value, "LEASE_API must be https://HOST")
            for value in (
                "http://vast.example",
                "http://127.0.0.1.example",
                "ftp://a",
                "https://a/b",
                "http://10.0.0.1",
            )
        ),
    ],
)
def test_a_wrong_variable_is_refused_by_name(variable: str, value: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        read_environment({variable: value}, host())


def test_good_ones_are_taken_with_what_a_shell_put_around_them() -> None:
    given = {"LEASE_UNTIL": ' "2026-11-27T05:00Z"\n', "ON_END": "destroy", "IDLE": "0", "LEASE_API": "http://[::1]:80/"}
    settings = read_environment(given, host()).settings
    assert terms.of_start(settings) == Terms(
        until=times.parse("2026-11-27T05:00Z"), given=times.parse("2026-11-27T05:00Z"), on_end=OnEnd.DESTROY
    )
    assert settings.lease_api == "http://[::1]:80"


@pytest.mark.parametrize(("given", "idle"), [({}, 0), ({"IDLE": "30"}, 30), ({"LEASE_UNTIL": "2026-11-27T05:00Z"}, 60)])
def test_nobody_who_asked_for_nothing_is_stopped(given: dict[str, str], idle: int) -> None:
    assert terms.of_start(read_environment(given, host()).settings).idle == idle


@pytest.mark.parametrize("number", ["", "C.7", "7\n8", "0"])
def test_a_key_without_its_instance_is_said_and_not_used(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    checked = read_environment({"CONTAINER_API_KEY": KEY, "CONTAINER_ID": number}, host())
    assert checked.instance is None
    said = capsys.readouterr().out
    assert "CONTAINER_ID is no number; going on: without a lease" in said and KEY not in said


def test_the_key_is_roots_and_of_this_container_alone(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.keep(read_environment(GIVEN, host()), host())
    assert instance.stored() == Instance(number="7", key=KEY)
    file = paths.SECRETS / store.INSTANCE
    assert file.stat().st_mode & 0o777 == 0o600 and paths.SECRETS.stat().st_mode & 0o777 == 0o700
    assert KEY not in paths.SETTINGS.read_text() + repr(instance.stored()) + repr(read_environment(GIVEN, host()))
    environment.keep(read_environment({}, host()), host())
    assert instance.stored() is not None, "a start over SSH is told nothing"
    monkeypatch.setattr(container, "identity", lambda: "another")
    assert instance.stored() is None
    environment.keep(read_environment({}, host()), host())
    assert not file.exists()


def test_no_program_inherits_the_key() -> None:
    variables = {**GIVEN, "PATH": "/bin"}
    environment.drop_secrets(variables)
    assert variables == {"CONTAINER_ID": "7", "PATH": "/bin"}


def test_a_key_that_everybody_can_read_is_said(
    places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`env >> /etc/environment`, as others advise."""
    monkeypatch.setattr(paths, "LOGIN_ENVIRONMENT", places / "environment")
    monkeypatch.setattr(paths, "FIRST_ENVIRONMENT", places / "environ")
    paths.LOGIN_ENVIRONMENT.write_text(f"CONTAINER_API_KEY={KEY}\n")
    environment.tell_logins()
    said = capsys.readouterr().out
    assert "holds CONTAINER_API_KEY for everybody to read" in said and KEY not in said


def test_without_the_key_the_service_ends_at_once_and_well(places: Path) -> None:
    assert lease_service.launch(host()).argv == ("true",)
    environment.keep(read_environment(GIVEN, host()), host())
    launch = lease_service.launch(host())
    assert launch.argv[-1] == "visomaster_host.lease.serve"
    assert KEY not in " ".join((*launch.argv, *launch.variables.values()))


def test_what_a_person_agrees_counts_over_restarts(places: Path) -> None:
    settings = Settings(lease_until="2026-11-27T05:00Z")
    agreed = Terms(until=BEGAN, given=BEGAN - 60, on_end=OnEnd.DESTROY, idle=5, kept=3600)
    terms.write(agreed, settings)
    assert terms.agreed(settings) == agreed
    assert paths.LEASE.stat().st_mode & 0o777 == 0o600


def test_a_copy_and_a_start_with_other_variables_begin_anew(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(lease_until="2026-11-27T05:00Z")
    terms.write(Terms(until=BEGAN, given=BEGAN), settings)
    edited = Settings(lease_until="2026-11-28T05:00Z")
    assert terms.agreed(edited) == terms.of_start(edited)
    monkeypatch.setattr(container, "identity", lambda: "a copy")
    assert terms.agreed(settings) == terms.of_start(settings)


@pytest.mark.parametrize("change", ["half", "[]", "until", "idle", "on_end", "deep"])
def test_a_damaged_file_is_told_in_one_line(places: Path, change: str) -> None:
    settings = Settings()
    terms.write(Terms(until=BEGAN, given=BEGAN), settings)
    whole = paths.LEASE.read_text()
    wrong = {"until": "soon", "idle": -1, "on_end": "sell"}
    texts = {"half": whole[: len(whole) // 2], "[]": "[]", "deep": "[" * 4000}
    paths.LEASE.write_text(texts.get(change) or json.dumps({**json.loads(whole), change: wrong.get(change)}))
    with pytest.raises(terms.Damaged, match="visomaster-lease --until writes it anew"):
        terms.agreed(settings)
    serve.agree(lambda before: Terms(until=BEGAN + 60, given=BEGAN + 60))
    assert terms.agreed(settings).until == BEGAN + 60


def test_vast_is_asked_with_the_key_in_a_header_alone() -> None:
    with fake_vast(date="Fri, 27 Nov 2026 05:00:00 GMT") as fake:
        vast = Vast(fake.address, Instance(number="7", key=KEY))
        assert vast.look().at == times.parse("2026-11-27T05:00Z")
        vast.stop()
        vast.label("visomaster alt until=2026-11-27T06:00Z by=me")
        vast.destroy()
    assert [(method, place) for method, place, _, _ in fake.asked] == [
        (method, "/api/v0/instances/7/") for method in ("GET", "PUT", "PUT", "DELETE")
    ]
    assert {key for _, _, key, _ in fake.asked} == {f"Bearer {KEY}"}
    assert json.loads(fake.asked[1][3]) == {"state": "stopped"}
    assert KEY not in "".join(place + body for _, place, _, body in fake.asked)


@pytest.mark.parametrize(
    ("status", "headers", "content", "said", "wait"),
    [
        (401, {}, b'{"error":"auth_error","msg":"bad"}', "does not take this box's own key", 0),
        (404, {}, b'{"error":"auth_error","msg":"bad"}', "does not take this box's own key", 0),
        (404, {}, b'{"msg":"no_such_instance"}', "knows no such instance (HTTP 404: no_such_instance)", 0),
        (429, {"Retry-After": "7"}, b"API requests too frequent", "HTTP 429: API requests too frequent", 7),
        (500, {"Retry-After": "soon"}, b"[" * 100_000, "HTTP 500", 0),
        (302, {"Location": "http://127.0.0.1:1/"}, b"", "HTTP 302", 0),
        (200, {}, b'{"success": false, "msg": "scheduled already"}', "refuses it: scheduled already", 0),
        (403, {}, json.dumps({"msg": f"no {KEY}\x1b[2J\nno"}).encode(), "HTTP 403: no …", 0),
    ],
)
def test_what_vast_does_not_do_is_one_line(
    status: int, headers: dict[str, str], content: bytes, said: str, wait: float
) -> None:
    with fake_vast() as fake:
        fake.answers.append((status, headers, content))
        with pytest.raises(Failed) as failed:
            Vast(fake.address, Instance(number="7", key=KEY)).stop()
    assert said in str(failed.value) and "\n" not in str(failed.value) and KEY not in str(failed.value)
    assert failed.value.wait == wait and len(fake.asked) == 1


def test_a_redirection_is_not_followed() -> None:
    """It would lead the key, or what is asked, elsewhere."""
    with fake_vast() as fake:
        fake.answers.append((302, {"Location": f"{fake.address}/elsewhere"}, b""))
        with pytest.raises(Failed, match="HTTP 302"):
            Vast(fake.address, Instance(number="7", key=KEY)).look()
    assert len(fake.asked) == 1


def test_a_server_that_trickles_or_is_not_there_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visomaster_host.lease.api.WITHIN", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        vast = Vast(f"http://127.0.0.1:{silent.getsockname()[1]}", Instance(number="7", key=KEY))
        with pytest.raises(Failed, match="no answer from Vast: it takes longer than 0 s"):
            vast.stop()
    with pytest.raises(Failed, match=r"no answer from Vast: .*refused"):
        vast.stop()


def test_another_hour_is_asked_for_at_a_socket_of_ones_own(places: Path) -> None:
    place, answers = places / "door.sock", [lambda: "kept for another hour"]

    def keep() -> str:
        return answers[0]()

    door.open_door(place, ME, keep)
    assert place.stat().st_mode & 0o777 == 0o600
    assert door.ask(place) == "kept for another hour"

    def refuse() -> str:
        raise TooLate("it was kept for 24 hours")

    answers[0] = refuse
    with pytest.raises(Problem, match=r"^it was kept for 24 hours$"):
        door.ask(place)
    for sent in (b"", b"end\n", b"k"):
        with socket.socket(socket.AF_UNIX) as odd:
            odd.connect(str(place))
            odd.sendall(sent)
            odd.shutdown(socket.SHUT_WR)
            assert odd.recv(100) == b""
    with pytest.raises(Problem, match="no lease is kept here"):
        door.ask(places / "none")


def told_state(left: float, **more: object) -> State:
    found = Ending(at=time.time() + left, how=OnEnd.STOP, idle=False)
    return State(terms=Terms(until=int(found.at)), ending=found, **more)  # type: ignore[arg-type]


def test_what_is_told_holds_no_key_and_is_told_as_long_as_it_is_true(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.write(told_state(500, trouble="Vast answers HTTP 500"), time.time(), "boot", "7")
    found = told.read(paths.LEASE_TOLD)
    assert found is not None and found["how"] == "stop" and 498 <= found["in"] <= 500
    assert found["trouble"] == "Vast answers HTTP 500"
    assert "Keep it running for another hour) {/usr/local/bin/visomaster-lease --keep}" in paths.LEASE_MENU.read_text()
    monkeypatch.setattr(told, "since_boot", lambda: since_boot() + 1000)
    found = told.read(paths.LEASE_TOLD)
    assert found is not None and found["in"] == 0 and "does not run" in found["trouble"]
    told.write(State(terms=Terms(), ending=None), time.time(), "boot", "7")
    assert told.read(paths.LEASE_TOLD) is None and paths.LEASE_MENU.read_text() == ""


def test_the_while_after_a_late_start_is_given_once(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late, clock = Terms(until=BEGAN - 7200), Clock(wall=lambda: BEGAN, count=lambda: 50.0)
    first = serve.grace(clock, late, "boot one")
    assert first == 50 + 900 and "ends in 15 minutes" in capsys.readouterr().out
    told.write(told_state(5, grace=first), BEGAN, "boot one", "7")
    later = Clock(wall=lambda: BEGAN, count=lambda: 500.0)
    assert serve.grace(later, late, "boot one") == first
    assert serve.grace(later, late, "boot two") == 500 + 900
    assert serve.grace(later, Terms(until=BEGAN + 60), "boot three") == 0


def test_root_says_and_changes_what_is_agreed(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert os.geteuid() == 0, "needs root"
    assert cli.main([]) == 0
    assert "does not end by itself" in capsys.readouterr().out
    assert cli.main(["--until", "2026-11-27T05:00Z"]) == 1
    assert "has no key of its own" in capsys.readouterr().err
    environment.keep(read_environment(GIVEN, host()), host())
    assert cli.main(["--extend", "1h"]) == 1
    assert "begin one with --until" in capsys.readouterr().err
    assert cli.main(["--until", "2026-11-27T05:00Z", "--on-end", "destroy"]) == 0
    assert capsys.readouterr().out == "until 2026-11-27T05:00Z, then destroy; stop after 60 minutes without use\n"
    told.write(told_state(500, trouble="Vast answers HTTP 500"), time.time(), "boot", "7")
    assert cli.main([]) == 1
    assert capsys.readouterr().err == "visomaster-lease: Vast answers HTTP 500\n"
    told.write(told_state(500), time.time(), "boot", "7")
    now = time.time()
    assert cli.main(["--extend", "90m", "--idle", "0", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    later = max(times.parse("2026-11-27T05:00Z"), now) + 5400
    assert abs(times.parse(said["until"]) - later) <= 60
    assert (said["kept"], said["instance"], said["on_end"], said["idle"]) == (True, 7, "destroy", 0)


@pytest.mark.parametrize("arguments", [["--until", "5pm"], ["--extend", "721h"], ["--extend", "x"], ["--idle", "-2"]])
def test_a_wrong_argument_is_refused_with_its_value(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "expected" in (said := capsys.readouterr().err) and repr(arguments[1]) in said


def test_a_file_is_written_whole(places: Path) -> None:
    """As everything of root's: a reader sees the old one or the new one."""
    write_atomic(paths.LEASE, b"{}", mode=0o600, owner=ME)
    before = paths.LEASE.stat().st_ino
    terms.write(Terms(until=BEGAN, given=BEGAN), Settings())
    assert paths.LEASE.stat().st_ino != before
