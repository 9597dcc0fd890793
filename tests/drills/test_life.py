"""A desktop that is started wrongly, stopped, restarted, started twice, and whose services are killed."""

from __future__ import annotations

import json
import re
import time

import pytest
from visomaster_host import paths, users
from visomaster_host.services import services_for

from sandbox.engine import docker_command
from spec.variant import VARIANTS
from tests.drills.box import Box
from tests.drills.conftest import MakeBox
from tests.e2e.machine import LABEL, docker, run

DEFAULT = VARIANTS["default"]
SERVICES = [service.name for service in services_for(DEFAULT.access, DEFAULT.models)]
ENDED = "lease"
"""Without one there is nothing to keep."""
HEALED_WITHIN = 60
"""Seconds in which a killed service and all that stood on it must be usable again."""
MAIN = f"{paths.PROGRAM}/main.py"
STOPPED_WITHIN = 10
"""Seconds that `docker stop` gives before it kills."""

PASSWORDS = {
    "": "VNC_PASSWORD must be 1 to 8 printable ASCII characters, got 0",
    "123456789": "VNC_PASSWORD must be 1 to 8 printable ASCII characters, got 9",
    "abc\ndef": "VNC_PASSWORD must be 1 to 8 printable ASCII characters, got others",
}


@pytest.mark.parametrize("password", PASSWORDS, ids=["empty", "nine characters", "line break"])
def test_a_bad_password_stops_the_container(baked: str, password: str) -> None:
    """`docker run` ends with one line that does not repeat the password, rather than with a desktop without one."""
    words = ["run", "--rm", f"--label={LABEL}=1", f"--env=VNC_PASSWORD={password}", baked]
    done = run([docker_command(), *words], timeout=60)
    assert done.returncode != 0
    assert (done.stdout + done.stderr).splitlines() == [f"visomaster-start: {PASSWORDS[password]}"]


@pytest.mark.parametrize("password", PASSWORDS, ids=["empty", "nine characters", "line break"])
def test_a_bad_password_starts_nothing(resting: Box, password: str) -> None:
    """Nothing listens, no supervisord runs, nothing was written."""
    done = resting.run("env", f"VNC_PASSWORD={password}", "visomaster-start")
    assert done.returncode != 0
    assert (done.stdout + done.stderr).splitlines() == [f"visomaster-start: {PASSWORDS[password]}"]
    assert resting.listeners() == []
    assert resting.run("pgrep", "--exact", "supervisord").returncode == 1
    assert resting.run("ls", "/var/lib/visomaster/secrets").returncode != 0


@pytest.fixture(scope="module")
def desk(make_box: MakeBox) -> Box:
    """A ready desktop, as `docker run` starts it."""
    box = make_box()
    box.wait_ready()
    return box


def password_of(box: Box) -> str:
    """The VNC password of `box`."""
    return str(json.loads(box.output("visomaster-credentials", "--json"))["password"])


@pytest.mark.parametrize("service", [name for name in SERVICES if name != ENDED])
def test_a_killed_service_heals(desk: Box, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    """kill -9, and the desktop is usable again without a hand; whoever was logged in logs in with the same password."""
    password, old = password_of(desk), pid(desk, service)
    assert old != "0", f"{service} does not run"
    begun = time.monotonic()
    desk.output("kill", "-9", old)
    while pid(desk, service) in (old, "0"):
        assert time.monotonic() - begun < HEALED_WITHIN, f"{service} was not started again"
    desk.wait_ready(HEALED_WITHIN)
    took = time.monotonic() - begun
    with capsys.disabled():
        print(f"\n    {service}: usable again {took:.1f} s after kill -9", end=" ")
    assert took < HEALED_WITHIN
    states = {line.split()[0]: line.split()[1] for line in status(desk)}
    assert states.pop(ENDED) == "EXITED"
    assert {*states, ENDED} == set(SERVICES) and set(states.values()) <= {"RUNNING", "STARTING"}
    assert password_of(desk) == password


def pid(box: Box, service: str) -> str:
    """The process of `service`, 0 when there is none (which is an exit status, too)."""
    return box.run("supervisorctl", "pid", service).stdout.strip()


def status(box: Box) -> list[str]:
    """The lines of `supervisorctl status`, whose exit status is 3 while a service starts."""
    return box.run("supervisorctl", "status").stdout.splitlines()


def test_a_stopped_desktop_ends_in_time_and_comes_back(desk: Box, capsys: pytest.CaptureFixture[str]) -> None:
    """`docker stop` ends it with status 0 before Docker kills; `docker restart` makes it ready, with its password."""
    password = password_of(desk)
    begun = time.monotonic()
    docker("stop", f"--time={STOPPED_WITHIN}", desk.name)
    took = time.monotonic() - begun
    assert docker("container", "inspect", "--format", "{{.State.ExitCode}}", desk.name) == "0"
    assert took < STOPPED_WITHIN
    docker("restart", desk.name)
    desk.wait_ready()
    with capsys.disabled():
        print(f"\n    stopped in {took:.1f} s, ready again {time.monotonic() - begun - took:.1f} s later", end=" ")
    assert password_of(desk) == password


def test_a_restart_of_a_running_desktop(desk: Box) -> None:
    """Without a stop by hand before it: what the last life left (locks, sockets, pid files) is not in the way."""
    docker("restart", f"--time={STOPPED_WITHIN}", desk.name)
    desk.wait_ready()


EATS = """
import os
if not os.path.exists("/tmp/eaten"):
    open("/tmp/eaten", "w").close()
    eaten = b"x" * (2 << 30)
"""


def test_a_program_that_is_killed_for_memory_says_so(desk: Box) -> None:
    """It is back within a second; that it was killed, and by which limit, stays to be read."""
    docker("update", "--memory=600m", "--memory-swap=600m", desk.name)
    desk.output("sh", "-c", f"printf '%s' '{EATS}' >/tmp/new; cat $0 >>/tmp/new; cat /tmp/new >$0", MAIN)
    desk.run("supervisorctl", "restart", "visomaster_app")
    deadline = time.monotonic() + HEALED_WITHIN
    while desk.run("test", "-e", "/tmp/eaten").returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    desk.wait_ready(HEALED_WITHIN)
    told = "visomaster_app was killed for memory at "
    [notice] = [line for line in json.loads(desk.output("visomaster-ready", "--json"))["notices"] if told in line]
    assert "(memory limit 600 MiB)" in notice
    assert notice in desk.output("visomaster-ready")
    assert told in desk.output("cat", f"{paths.PORTAL_LOGS}/visomaster_app.log")
    desk.logged(lambda said: told in said)


FAILS = "import sys; sys.exit('RuntimeError: Found no NVIDIA driver on your system')"


def test_a_program_that_does_not_start_says_why(desk: Box) -> None:
    """Where its window is missed, to everybody who may look; a restart of the container begins anew."""
    desk.output("sh", "-c", f'echo "{FAILS}" >$0', MAIN)
    desk.run("supervisorctl", "restart", "visomaster_app")
    why = "with exit status 1.*: RuntimeError: Found no NVIDIA driver on your system"
    deadline = time.monotonic() + HEALED_WITHIN
    for user in ("root", users.DESKTOP):
        # It is started again and again, and may be running just now.
        while not re.search(f"missing program: .*{why}", desk.run("runuser", "-u", user, "visomaster-ready").stdout):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    docker("restart", f"--time={STOPPED_WITHIN}", desk.name)
    desk.run("visomaster-ready", "--wait", "5")
    assert "killed for memory" not in desk.run("visomaster-ready").stdout


ALL_BUT = tuple(f"--cap-add={name}" for name in ("CHOWN", "SETUID", "SETGID", "DAC_OVERRIDE", "KILL", "FOWNER"))


def test_a_desktop_whose_files_are_read_only(make_box: MakeBox) -> None:
    """With no more than folders in memory for what runs, no right that it does not need, and none to the X sockets'
    folder: each is said in one line, and the desktop is there, also after a restart."""
    box = make_box(
        *(
            "--read-only",
            "--tmpfs=/run",
            "--tmpfs=/tmp",
            "--security-opt=no-new-privileges",
            "--cap-drop=ALL",
            *ALL_BUT,
        ),
        "--mount=type=tmpfs,destination=/tmp/.X11-unix,tmpfs-mode=0755,readonly",
    )
    box.wait_ready()
    docker("restart", f"--time={STOPPED_WITHIN}", box.name)
    box.wait_ready()
    said = docker("logs", box.name)
    assert "Traceback" not in said + box.output("sh", "-c", "cat /run/visomaster/instead/var/log/*/*.log")
    told = [line for line in said.splitlines() if "Read-only file system" in line]
    assert len(told) <= 2 * 6 and all(line.startswith("visomaster-start: /") for line in told), said


def test_a_missing_right_is_named(baked: str) -> None:
    words = ["run", "--rm", f"--label={LABEL}=1", "--cap-drop=CHOWN", baked]
    done = run([docker_command(), *words], timeout=60)
    (line,) = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 1
    assert line.startswith("visomaster-start: the container lacks the capability CHOWN: start it without --cap-drop")


TWICE = """
visomaster-start & first=$!
visomaster-start & second=$!
wait $first; echo first=$?
wait $second; echo second=$?
exec sleep infinity
"""


def test_two_starts_at_once_are_one(make_box: MakeBox) -> None:
    """As Vast's modes do: an entrypoint of its own, and an on-start line beside ours."""
    box = make_box("--entrypoint=bash", command=("-c", TWICE))
    box.wait_ready()
    assert len(box.output("pgrep", "--exact", "supervisord").split()) == 1
    said = box.logged(lambda said: {"first=0", "second=0"} <= set(said.splitlines())).splitlines()
    assert sum("started supervisord" in line for line in said) == 1
    assert sum("already running" in line for line in said) == 1
    third = box.run("visomaster-start")
    assert (third.returncode, "already running" in third.stdout) == (0, True)
