"""The operating system's no: each place that a program of the host changes, each reason, one line or on without it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from visomaster_host import beneath, display, environment, paths, problems, run_service, stand_ins, start, store
from visomaster_host.beneath import Folder
from visomaster_host.files import Owner, ensure_directory, write_atomic
from visomaster_host.host import read_host
from visomaster_host.problems import Problem
from visomaster_host.refusals import CAPABILITIES, missing_capabilities, refusal
from visomaster_host.services import xvfb
from visomaster_host.settings import Settings, read_settings

from spec.here import ROOT
from tests.unit.test_host_facts import host

ENDS: dict[str, tuple[str, ...]] = {
    "start-vnc": ("/run",),
    "start-portal": ("/run",),
    "service-xvfb": ("/tmp",),
    "service-x11vnc": ("/run",),
    "service-visomaster_caddy": ("/run",),
    "service-visomaster_app": (),
    "service-visomaster_fetch": (),
    "service-visomaster_front": (),
    "service-fluxbox": ("/run",),
    "service-websockify": (),
    "service-portal": (),
    "pages": ("/run",),
    "fetch": ("/app", "/run"),
}
"""Where each program may end when it is told no; everywhere else it goes on."""

REASONS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM)


@cache
def walked(program: str) -> list[dict[str, Any]]:
    """Every run of `program`: the good one, then one for each place that it changed and each reason."""
    with tempfile.TemporaryDirectory() as folder:  # a short path: sockets are below it
        command = [sys.executable, ROOT / "tests/unit/refusing.py", f"{folder}/root", program]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("program", ENDS)
def test_every_place_that_is_changed_may_be_refused(program: str) -> None:
    """No traceback; who ends says in one line where and why, and ends only where there is no going on."""
    good, *refused = walked(program)
    assert (good["status"], good["error"]) == (0, ""), good
    assert len(refused) == 2 * len(REASONS) * (len(good["changed"]) - ("/." in good["changed"]))
    for run in refused:
        assert run["error"] == "" and "Traceback" not in "\n".join(run["said"]), run
        if run["status"]:
            (last, reason) = (run["said"][-1], run["errno"])
            assert reason in last and "; " in last and "/" in last.partition(reason)[0], run
            assert run["target"].startswith(ENDS[program]), run


@pytest.mark.parametrize("program", ["start-vnc", "start-portal"])
def test_a_start_on_a_full_disk_comes_up_with_what_was_there(program: str) -> None:
    """Also when it was given another port."""
    again = [run for run in walked(program) if run.get("when") == "again" and run["errno"] == os.strerror(errno.ENOSPC)]
    assert again and {run["status"] for run in again} == {0}


@pytest.mark.parametrize(
    ("number", "path", "line"),
    [
        (28, "/x/y", "/x/y: No space left on device; free some space there, or give the container a larger disk"),
        (
            30,
            "/run/a/b",
            "/run/a/b: Read-only file system; start the container without .*, or with --tmpfs=/run",
        ),
        (30, "/etc/environment", "/etc/environment: Read-only file system; .*, or with a writable volume there"),
        (24, None, "Too many open files; raise the limit of open files: .*"),
        (13, "/x", "/x: Permission denied; see whose it is.*ls -ld /x"),
        (13, None, "Permission denied"),
        (2, "/x", "/x: No such file or directory"),
        (5, "/x\n\x1b[1m", "/x\n\x1b.1m: Input/output error; .*dmesg.*"),
    ],
)
def test_a_refusal_names_path_reason_and_remedy(number: int, path: str | None, line: str) -> None:
    import re

    assert re.fullmatch(line, refusal(OSError(number, os.strerror(number), path)))


def capabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """A process of root's that lacks those."""
    held = sum(1 << number for name, number in CAPABILITIES.items() if name not in missing)
    (tmp_path / "status").write_text(f"Name:\tpython\nCapPrm:\t0\nCapEff:\t{held:016x}\n")
    monkeypatch.setattr(paths, "OWN_STATUS", tmp_path / "status")


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_missing_capability_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    capabilities(tmp_path, monkeypatch, name)
    assert missing_capabilities() == (name,)
    number = errno.EACCES if name == "DAC_OVERRIDE" else errno.EPERM
    assert f"lacks the capability {name}: start it without --cap-drop, or with --cap-add={name}" in refusal(
        OSError(number, "no", "/x")
    )


@pytest.mark.parametrize("missing", [("CHOWN",), ("SETUID",), tuple(CAPABILITIES)])
def test_a_start_without_its_capabilities_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: tuple[str, ...]
) -> None:
    capabilities(tmp_path, monkeypatch, *missing)
    assert start.main([]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert all(f"--cap-add={name}" in line for name in missing if name != "FOWNER")


def test_a_service_that_may_not_become_its_user_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities(tmp_path, monkeypatch, "SETGID")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "initgroups", refuse)
    with pytest.raises(Problem, match=r"cannot become the user daemon: .*lacks the capability SETGID"):
        run_service.give_up_root("daemon")


def test_what_is_as_it_should_be_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that is full, or read-only, all that is right already is no reason to fail."""
    me = Owner(uid=os.getuid(), gid=os.getgid())
    ensure_directory(tmp_path / "folder", mode=0o700, owner=me)
    write_atomic(tmp_path / "folder/file", b"x", mode=0o600, owner=me)
    before = (tmp_path / "folder/file").stat()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("fchown", "fchmod", "rename", "mkdir", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    ensure_directory(tmp_path / "folder", mode=0o700, owner=me)
    write_atomic(tmp_path / "folder/file", b"x", mode=0o600, owner=me)
    assert (tmp_path / "folder/file").stat() == before


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which nothing new can be made."""
    really = os.open

    def refuse(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return really(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)


def test_on_a_full_disk_a_file_takes_what_needs_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    me = Owner(uid=os.getuid(), gid=os.getgid())
    write_atomic(tmp_path / "file", b"the old text", mode=0o600, owner=me)
    request.getfixturevalue("full")
    write_atomic(tmp_path / "file", b"new", mode=0o600, owner=me)
    assert (tmp_path / "file").read_bytes() == b"new"
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'"):
        write_atomic(tmp_path / "file", bytes(2**20), mode=0o600, owner=me)
    with pytest.raises(OSError, match="No space left"):  # it would be somebody else's, or have another name as well
        write_atomic(tmp_path / "file", b"x", mode=0o644, owner=me)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_portal_is_not_opened_in_the_clear_since_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings that cannot be written are those of an earlier start, but for that one."""
    monkeypatch.setattr(paths, "SETTINGS", tmp_path / "settings.json")
    environment._keep_settings(Settings(container_label="C.7"))
    assert "going on: with the settings of an earlier start" in capsys.readouterr().out
    assert read_settings() == Settings()
    with pytest.raises(OSError, match="No space left"):
        environment._keep_settings(Settings(enable_https=True))


@pytest.fixture
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's folders of state; those that are to be kept are below a file, so that none can be made."""
    (tmp_path / "lib").write_text("")
    monkeypatch.setattr(paths, "STAND_INS", tmp_path / "run/instead")
    monkeypatch.setattr(paths, "SECRETS", tmp_path / "lib/secrets")
    return tmp_path


def test_a_secret_that_cannot_be_kept_is_kept_below_run(states: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store.write_secret("token", "one")
    assert capsys.readouterr().out.count("\n") == 1
    assert store.read_secret("token") == "one"
    kept = stand_ins.of(paths.SECRETS)
    assert (kept.stat().st_mode & 0o777, (kept / "token").stat().st_mode & 0o777) == (0o700, 0o600)
    (states / "lib").unlink()
    store.write_secret("token", "two")
    assert (store.read_secret("token"), kept.exists()) == ("two", False)


def test_a_folder_that_cannot_be_written_has_a_stand_in(states: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = states / "lib/logs"
    stand_ins.make(logs, mode=0o755)
    assert "Not a directory" in capsys.readouterr().out
    assert stand_ins.actual(logs) == stand_ins.of(logs)
    (states / "lib").unlink()
    stand_ins.make(logs, mode=0o755)
    assert stand_ins.actual(logs) == logs and not stand_ins.of(logs).exists()


def test_the_environment_of_logins_keeps_nothing_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be a folder, a link, a file of a mount: it is for logins alone."""
    (tmp_path / "environ").write_bytes(b"CONTAINER_ID=7\0")
    (tmp_path / "environment").mkdir()
    monkeypatch.setattr(paths, "FIRST_ENVIRONMENT", tmp_path / "environ")
    monkeypatch.setattr(paths, "LOGIN_ENVIRONMENT", tmp_path / "environment")
    assert environment.container_environment()["CONTAINER_ID"] == "7"
    environment.tell_logins()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"visomaster-start: {tmp_path}/environment: Is a directory; ")


def test_what_is_said_into_a_full_disk_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    full_output = Path("/dev/full").open("w")  # noqa: SIM115 - what it holds cannot be written at its end either
    monkeypatch.setattr(sys, "stdout", full_output)
    monkeypatch.setattr(sys, "stderr", full_output)
    problems.say("one")
    problems.complain("two")
    assert sys.stdout is not full_output and sys.stderr is not full_output
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space"):
        full_output.close()


# -- the display


@pytest.fixture
def screens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A /tmp of our own, and what a start has chosen."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o1777)
        (folder / ".X11-unix").mkdir()
        (folder / ".X11-unix").chmod(0o1777)
        monkeypatch.setattr(paths, "X11_LOCKS", folder)
        monkeypatch.setattr(paths, "X11_SOCKETS", folder / ".X11-unix")
        monkeypatch.setattr(paths, "DISPLAY", tmp_path / "display")
        monkeypatch.setattr(paths, "HOST", tmp_path / "host.json")
        (tmp_path / "host.json").write_text(host().as_json())
        yield folder


def listening(address: str) -> Any:
    """A socket there that accepts connections."""
    import socket

    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    return server


@pytest.mark.parametrize("how", ["\0{}", "{}"], ids=["without a file", "with one"])
def test_a_display_that_is_taken_is_left_to_whom_it_is(
    screens: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert display.choose(host()).display == ":1"
    with listening(how.format(screens / ".X11-unix/X1")):
        with pytest.raises(Problem, match=r"display :1 is taken by another X server: give the container a network"):
            display.make_room(host())
        assert display.choose(host()).display == ":2"
        assert "display :1 is taken by another X server; going on: on display :2" in capsys.readouterr().out
        assert read_host().display == ":2", "all that read the host know"
        paths.DISPLAY.write_text("nonsense")
        assert read_host().display == ":1"


def _read_only(folder: Path) -> None:
    folder.chmod(0o755)


def _link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))


def _file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


@pytest.mark.parametrize("spoil", [_read_only, _link, _file])
def test_where_sockets_have_no_folder_the_display_has_one_without_a_file(
    screens: Path, spoil: Callable[[Path], None]
) -> None:
    assert "-nolisten local" in " ".join(xvfb.launch(host()).argv)
    spoil(screens / ".X11-unix")
    assert "-nolisten unix" in " ".join(xvfb.launch(host()).argv)
    with listening(f"\0{screens}/.X11-unix/X1"):
        assert display.listening(host())


def test_an_x_server_without_room_for_its_lock_is_not_started(screens: Path) -> None:
    screens.chmod(0o755)
    with pytest.raises(Problem, match="expected a folder that everybody may write in"):
        xvfb.launch(host())


def test_a_link_is_made_in_one_step(tmp_path: Path) -> None:
    """What stood there is replaced, and one that is right stays."""
    (tmp_path / "name").write_text("old")
    with Folder.open(tmp_path) as folder:
        folder.link("name", "/first")
        folder.link("name", "/second")
        before = folder.status("name")
        folder.link("name", "/second")
    assert (tmp_path / "name").readlink() == Path("/second")
    assert (tmp_path / "name").lstat() == before
    assert beneath.status(tmp_path / "other") is None
