"""`@bake/IMAGE` leaves a finished image or nothing; the stock `@docker/IMAGE` says what it leaves."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from spec.image import Healthcheck, ImageConfig

DOCKER = shlex.split(os.environ.get("DOCKER") or "docker")
PYINFRA = str(Path(sys.executable).parent / "pyinfra")
HOSTILE = r"""a "q" 'q' $HOME ${X:-y} `id` \back\ # = , é \\"""

DEPLOY = """
from pyinfra import host
from pyinfra.operations import server
from connectors import bake
from spec.image import Healthcheck, ImageConfig

if host.data.get("described", True):
    bake.describe(host, IMAGE)
server.shell(name="make", commands=["ls /sys/class/net >/made", host.data.get("then", ":")])
"""


def described(tag: str) -> ImageConfig:
    """An image with every kind of metadata."""
    return ImageConfig(
        tags=(f"{tag}:latest", f"{tag}:0a1b2c"),
        entrypoint=("sh", "-c"),
        cmd=("cat /made",),
        env={"GIVEN": HOSTILE},
        labels={"org.example.hostile": HOSTILE},
        exposed_ports=(5901,),
        healthcheck=Healthcheck(command=("test", "/made"), interval=5, timeout=4, start_period=3, retries=2),
    )


def docker(*arguments: str) -> str:
    """What the client prints; raises when it fails."""
    command = [*DOCKER, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A base image of the test's own, whose label all images made from it inherit; a folder with a deploy."""

    base: str
    tag: str
    folder: Path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """A pyinfra in the deploy's folder, its output and errors in one stream."""
        return subprocess.Popen(
            [PYINFRA, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYINFRA_PROGRESS": "off", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pyinfra(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit status and output of a whole run."""
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def bake(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of baking the described image."""
        return self.pyinfra(f"@bake/{self.base}", "deploy.py", "-y", *arguments)

    def images(self) -> set[str]:
        """The ids of all images made from the base, untagged ones too."""
        found = docker("image", "ls", "--all", "--quiet", "--no-trunc", "--filter", f"label=bench={self.tag}")
        return set(found.split()) - {docker("image", "inspect", "--format", "{{.Id}}", self.base)}

    def containers(self) -> list[str]:
        """The names of all containers of the base, stopped ones too."""
        listing = docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"label=bench={self.tag}")
        return listing.split()

    def config(self, tag: str = "latest") -> Any:
        """The configuration of the baked image."""
        return json.loads(docker("image", "inspect", "--format", "{{json .Config}}", f"{self.tag}:{tag}"))


@pytest.fixture
def bench(base_image: str, tmp_path: Path) -> Iterator[Bench]:
    """Everything for one bake; afterwards all that came of it is removed."""
    tag = f"bake-test-{uuid4().hex[:12]}"
    (tmp_path / "deploy.py").write_text(DEPLOY.replace("IMAGE)", f"{described(tag)!r})"))
    container = docker("create", "--label", f"bench={tag}", base_image, "true")
    changes = ("ENV KEPT=base", 'ENTRYPOINT ["false"]', "USER nobody", "WORKDIR /tmp")
    docker("commit", *(word for change in changes for word in ("--change", change)), container, f"{tag}:base")
    docker("rm", container)
    made = Bench(base=f"{tag}:base", tag=tag, folder=tmp_path)
    try:
        yield made
    finally:
        for name in made.containers():
            docker("rm", "--force", name)
        docker("image", "prune", "--force", "--filter", f"label=bench={tag}")
        for name in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", tag).split():
            docker("image", "rm", name)


def test_a_successful_bake_is_a_finished_image(bench: Bench) -> None:
    """It has all its tags and runs by itself, although the base had another user, folder and entrypoint."""
    status, output = bench.bake()
    assert status == 0, output
    assert (
        output.splitlines()[-1]
        .strip()
        .startswith(f"[@bake/{bench.base}] baked {bench.tag}:latest, {bench.tag}:0a1b2c (")
    )
    assert docker("run", "--rm", f"{bench.tag}:0a1b2c").split() == ["eth0", "lo"]
    assert (len(bench.images()), bench.containers()) == (1, [])


def test_the_image_says_exactly_what_was_described(bench: Bench) -> None:
    """Metadata arrives to the letter, the base's environment stays, and nothing of the bake is left."""
    bench.bake()
    config = bench.config()
    assert config["Entrypoint"] == ["sh", "-c"]
    assert config["Cmd"] == ["cat /made"]
    assert {f"GIVEN={HOSTILE}", "KEPT=base"} <= set(config["Env"])
    assert config["Labels"] == {**bench.config("base")["Labels"], "org.example.hostile": HOSTILE}
    assert list(config["ExposedPorts"]) == ["5901/tcp"]
    assert (config["User"], config["WorkingDir"]) == ("root", "/")
    seconds = 10**9
    assert config["Healthcheck"] == {
        "Test": ["CMD", "test", "/made"],
        "Interval": 5 * seconds,
        "Timeout": 4 * seconds,
        "StartPeriod": 3 * seconds,
        "Retries": 2,
    }


def test_commit_and_dockerfile_agree(bench: Bench) -> None:
    """The same lines in a Dockerfile give the same configuration, so one description serves both routes."""
    bench.bake()
    lines = f"FROM {bench.base}\n{described(bench.tag).dockerfile_lines()}"
    (bench.folder / "Dockerfile").write_text(lines)
    docker("build", "--quiet", "--tag", f"{bench.tag}:built", str(bench.folder))
    baked, built = bench.config(), bench.config("built")
    for key in ("Entrypoint", "Cmd", "Labels", "ExposedPorts", "User", "WorkingDir", "Healthcheck"):
        assert baked[key] == built[key]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("deploy.py", "-y", "--data", "then=exit 3"), 1),
        (("deploy.py", "--dry"), 0),
        (("fact", "server.Kernel"), 0),
        (("exec", "--", "true"), 0),
        (("debug-inventory",), 0),
    ],
    ids=["failed", "dry", "fact", "exec", "debug-inventory"],
)
def test_any_other_run_leaves_nothing(bench: Bench, arguments: tuple[str, ...], status: int) -> None:
    """No half-done image, no untagged one, no container."""
    code, output = bench.pyinfra(f"@bake/{bench.base}", *arguments)
    assert code == status, output
    assert (bench.images(), bench.containers()) == (set(), [])


def test_a_deploy_without_a_description_is_a_mistake(bench: Bench) -> None:
    """It says so in its last line and exits 1: a build that made no image must not look like one that did."""
    status, output = bench.bake("--data", "described=false")
    assert status == 1
    assert output.splitlines()[-1].endswith("nothing kept, the deploy did not call connectors.bake.describe")
    assert "Traceback" not in output
    assert (bench.images(), bench.containers()) == (set(), [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bake_leaves_nothing(bench: Bench, number: signal.Signals) -> None:
    """Ctrl-C, or the end of a job, in the middle of an operation."""
    slow = ("-vvv", "--data", "then=echo begun; sleep 60")
    process = bench.start(f"@bake/{bench.base}", "deploy.py", "-y", *slow)
    assert process.stdout
    assert any(line.strip().endswith("] begun") for line in process.stdout), "the operation did not begin"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert (bench.images(), bench.containers()) == (set(), [])


def test_a_tag_stays_on_the_old_image_until_the_new_one_is_finished(bench: Bench) -> None:
    """A failed bake changes nothing for who uses the last good one; a good one moves the tag."""
    bench.bake()
    old = docker("image", "inspect", "--format", "{{.Id}}", f"{bench.tag}:latest")
    assert bench.bake("--data", "then=exit 3")[0] == 1
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{bench.tag}:latest") == old
    assert bench.bake("--data", "then=touch /again")[0] == 0
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{bench.tag}:latest") != old


def test_a_container_is_refused_and_stays_as_it_was(bench: Bench) -> None:
    """The stock connector would start a stopped container and then delete it."""
    name = docker("create", "--name", f"{bench.tag}-own", bench.base) and f"{bench.tag}-own"
    status, output = bench.pyinfra(f"@bake/{name}", "deploy.py", "-y")
    assert status == 1
    assert f"{name} is a container, @bake expects an image" in output
    assert docker("container", "inspect", "--format", "{{.State.Status}}", name) == "created"


def test_an_image_that_nobody_has_is_named(bench: Bench) -> None:
    """One line says which image, and what docker answered."""
    status, output = bench.pyinfra("@bake/127.0.0.1:9/no/such:image", "deploy.py", "-y")
    assert status == 1
    assert "no image 127.0.0.1:9/no/such:image: " in output
    assert "Traceback" not in output


def test_run_arguments_reach_the_container(bench: Bench) -> None:
    """A network of one's own is what a bake needs most; the finished image does not remember it."""
    status, output = bench.bake("--data", 'docker_run_args=["--network", "none"]')
    assert status == 0, output
    assert docker("run", "--rm", f"{bench.tag}:latest").split() == ["lo"]


def test_two_bakes_do_not_take_the_same_tag(bench: Bench) -> None:
    """With two bases in one run the last would win in silence."""
    docker("tag", bench.base, f"{bench.tag}:base2")
    both = f"@bake/{bench.base},@bake/{bench.tag}:base2"
    status, output = bench.pyinfra(both, "deploy.py", "-y")
    assert status == 1
    assert f"would both become {bench.tag}:0a1b2c, {bench.tag}:latest" in output
    assert (bench.images(), bench.containers()) == (set(), [])


def test_a_missing_client_is_named(bench: Bench) -> None:
    """DOCKER says which program runs the containers."""
    status, output = bench.pyinfra(f"@bake/{bench.base}", "deploy.py", "-y", DOCKER="/no/such/docker")
    assert status == 1
    assert "/no/such/docker: No such file or directory (the variable DOCKER names the client)" in output
    assert "Traceback" not in output


NOTICED = """
from pyinfra import host
from pyinfra.operations import server
from connectors import stock_docker

stock_docker.attend(host)
server.shell(name="make", commands=["true"])
"""


@pytest.fixture
def plain(bench: Bench) -> str:
    """A base whose entrypoint runs its arguments, as the stock connector needs; a deploy with the notice."""
    (bench.folder / "deploy.py").write_text(NOTICED)
    container = docker("create", "--entrypoint", "env", "--user", "root", bench.base, "sleep", "600")
    docker("commit", container, f"{bench.tag}:plain")
    docker("rm", container)
    return f"{bench.tag}:plain"


def test_the_stock_connector_says_last_what_to_run_instead(bench: Bench, plain: str) -> None:
    """A beginner who used `@docker` reads how to get an image that starts."""
    status, output = bench.pyinfra(f"@docker/{plain}", "deploy.py", "-y", "--data", "variant=alt")
    assert status == 0, output
    assert output.splitlines()[-1].strip() == (
        f"[@docker/{plain}] pyinfra's @docker leaves an untagged image without an entrypoint;"
        f" for a finished one run: pyinfra @bake/{plain} deploy.py --data variant=alt"
    )


@pytest.mark.parametrize("command", ["run", "create"])
def test_a_container_of_ones_own_is_left_running(bench: Bench, plain: str, command: str) -> None:
    """Nothing to say for a running one; a stopped one is started, and not deleted at the end."""
    name = f"{bench.tag}-own"
    docker(command, *(["--detach"] if command == "run" else []), "--name", name, plain)
    status, output = bench.pyinfra(f"@docker/{name}", "deploy.py", "-y")
    assert status == 0, output
    assert "untagged" not in output
    assert docker("container", "inspect", "--format", "{{.State.Status}}", name) == "running"
