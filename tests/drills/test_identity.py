"""The number of the program's user, one everywhere; volumes and folders with another owner; copies of a container, and
the secrets of each."""

from __future__ import annotations

import json
import time
from pathlib import Path
from uuid import uuid4

import pytest
from visomaster_host import paths, users

from tests.drills.box import Box, unchanged
from tests.e2e.machine import Container, container, docker

NUMBER = str(users.DESKTOP_ID)
OLD = str(users.FORMER_IDS[0])
TOLD_WITHIN = 30
"""Seconds until a container that was started has made its secret."""


def number(box: Box) -> str:
    """The uid and gid of the program's user."""
    return box.output("sh", "-c", f"id -u {users.DESKTOP}; id -g {users.DESKTOP}").replace("\n", " ").strip()


def make_older(box: Box) -> None:
    """Have the user be as an older image made it, with something of theirs in each folder."""
    box.output("sh", "-euc", f"usermod -u {OLD} {users.DESKTOP}; groupmod -g {OLD} {users.DESKTOP}")
    for folder in paths.OF_DESKTOP:
        box.output("sh", "-euc", f"touch {folder}/mine; chown -R {OLD}:{OLD} {folder}")


def test_a_user_of_an_older_image_gets_the_number(resting: Box) -> None:
    """With all that is theirs; the next run changes nothing."""
    assert number(resting) == f"{NUMBER} {NUMBER}"
    make_older(resting)
    done = resting.apply("system")
    assert done.returncode == 0, done.stderr
    assert number(resting) == f"{NUMBER} {NUMBER}"
    assert resting.output("find", "/", "-xdev", "(", "-uid", OLD, "-o", "-gid", OLD, ")") == ""
    assert unchanged(resting.apply("system"))


def test_one_who_runs_programs_keeps_theirs(resting: Box) -> None:
    """A box that an earlier playbook has set up goes on as it is, and a line says so."""
    make_older(resting)
    docker("exec", "--detach", f"--user={users.DESKTOP}", resting.name, "sleep", "600")
    done = resting.apply("system")
    assert unchanged(done)
    assert f"{users.DESKTOP} keeps uid {OLD}, not {NUMBER}: programs of theirs run here" in done.stderr
    resting.output("pkill", "-u", users.DESKTOP)


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_a_number_that_is_somebodys_is_refused(resting: Box, kind: str) -> None:
    """In one line that names them; nothing is done."""
    make_older(resting)
    make, remove = ("useradd", "userdel") if kind == "uid" else ("groupadd", "groupdel")
    options = ("-u", NUMBER, "-g", OLD) if kind == "uid" else ("-g", NUMBER)
    resting.output(make, *options, "someone")
    try:
        done = resting.apply("system")
        assert done.returncode != 0 and "Traceback" not in done.stderr
        last = [line for line in done.stderr.splitlines() if line.strip()][-1]
        assert f"{kind} {NUMBER} belongs to someone" in last
        assert number(resting) == f"{OLD} {OLD}"
    finally:
        resting.output(remove, "someone")


def test_folders_that_cannot_be_written_are_told_and_old_volumes_are_taken_over(baked: str, tmp_path: Path) -> None:
    """A folder of the machine's stays as it is; a volume of an older image is taken over."""
    tmp_path.chmod(0o755)
    out = f"{paths.WORKSPACE}/out"
    own = f"--volume={tmp_path}:{out}"
    volume = f"drill-{uuid4().hex[:12]}"
    try:
        mounted = f"--volume={volume}:{paths.WORKSPACE}"
        make = f"ln -s /etc/passwd {paths.WORKSPACE}/link && chown -Rh {OLD}:{OLD} {paths.WORKSPACE}"
        docker("run", "--rm", mounted, "--entrypoint=sh", baked, "-c", make)
        with container(baked, mounted, own) as box:
            box.wait_ready()
            said = docker("logs", box.name).splitlines()
            assert sum(f"{paths.WORKSPACE}: a volume of an older image, 1 files" in line for line in said) == 1
            assert sum(f"{out} belongs to " in line for line in said) == 1
            found = box.output("stat", "-c", "%u", str(paths.WORKSPACE), f"{paths.WORKSPACE}/link", "/etc/passwd")
            assert found.split() == [NUMBER, NUMBER, "0"]
            ready = json.loads(box.output("visomaster-ready", "--json"))
            [warning] = [check for check in ready["checks"] if check.get("warning")]
            assert ready["ready"] and f"{out} belongs to " in warning["detail"]
    finally:
        docker("volume", "rm", "--force", volume)


def secret_of(box: Container) -> str:
    """The password of `box`, as soon as it has one."""
    deadline = time.monotonic() + TOLD_WITHIN
    while (asked := box.run("visomaster-credentials", "--json")).returncode != 0:
        assert time.monotonic() < deadline, asked.stderr
        time.sleep(0.1)
    return str(json.loads(asked.stdout)["password"])


def test_a_copy_of_a_running_container_has_secrets_of_its_own(baked: str) -> None:
    """Each of them, and none of them the first's, which is not in the image; a restart keeps it."""
    image = f"visomaster-drill-{uuid4().hex[:12]}"
    try:
        with container(baked) as box:
            secret = secret_of(box)
            docker("commit", box.name, image)
            hunt = f"grep -rlF {secret} / --exclude-dir=proc --exclude-dir=sys; ls -A {paths.STATE} {paths.RUN}"
            found = docker("run", "--rm", "--entrypoint=sh", image, "-c", hunt)
            assert {line for line in found.splitlines() if line} == {f"{paths.STATE}:", f"{paths.RUN}:"}
            with container(image) as copy, container(image) as other:
                assert len({secret, secret_of(copy), secret_of(other)}) == 3
            docker("restart", "--time=10", box.name)
            assert secret_of(box) == secret
    finally:
        docker("image", "rm", "--force", image)
