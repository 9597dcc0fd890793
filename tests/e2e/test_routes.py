"""Four routes, one result: the same host tests pass against what each of them leaves."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from visomaster_host import paths

from sandbox import base
from spec.here import local
from tests.e2e.machine import (
    ROOT,
    Container,
    container,
    docker,
    forget_host_key,
    host_suite,
    pyinfra,
    run,
    wait_for_sshd,
)

REPOSITORY = "visomaster-test/desktop"
COMMANDS = 8
"""Of a second run over SSH: what is asked before all else, five times ever more questions, whether the desktop is ready
and where. Connecting takes some ten round trips beside them."""


def changed(result: object) -> list[str]:
    """The names of the operations that changed something."""
    operations = json.loads(result.stdout)["results"]["operations"]  # type: ignore[attr-defined]
    return [operation["name"] for operation in operations if operation["success"]]


def assert_nothing_changes(*arguments: str) -> int:
    """Every operation of the run says *No change*; how many commands it sent over SSH, each a round trip."""
    result = pyinfra(*arguments, "--json", "--debug")
    assert result.returncode == 0, result.stderr
    assert changed(result) == []
    return result.stderr.count("Running command on")


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A copy of the repository in which one service's settings differ."""
    copy = tmp_path / "edited"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", ".cache", "__pycache__"))
    file = local(paths.SERVICES / "fluxbox.py").relative_to(ROOT)
    before = (copy / file).read_text()
    after = before.replace("priority=20,", "priority=21,")
    assert after != before
    (copy / file).write_text(after)
    return copy


def process_ids(box: Container, seconds: float = 60) -> dict[str, str]:
    """The main process of every service, once all of them are past their `startsecs`, or have ended well: without a
    lease there is nothing to keep."""
    deadline = time.monotonic() + seconds
    while True:
        lines = [line.split() for line in box.run("supervisorctl", "status").stdout.splitlines()]
        if lines and all(line[1] == ("EXITED" if line[0] == "lease" else "RUNNING") for line in lines):
            return {line[0]: line[3].rstrip(",") for line in lines if line[1] == "RUNNING"}
        assert time.monotonic() < deadline, lines
        time.sleep(0.5)


def assert_one_service_reloads(box: Container, edited: Path, *arguments: str) -> None:
    """An edit of one service's file restarts that service alone."""
    before = process_ids(box)
    result = pyinfra(*arguments, "--json", cwd=edited)
    assert result.returncode == 0, result.stderr
    package = ["Programs | Install the package", "Programs | Compile the package"]
    assert changed(result) == [*package, "Services | Configure fluxbox", "Services | Take up what changed"]
    box.wait_ready()
    after = process_ids(box)
    assert {name for name in before if before[name] != after[name]} == {"fluxbox"}


class TestDockerConnector:
    """`pyinfra @docker/IMAGE deploy.py`: pyinfra's own connector."""

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, base_image: str, settings: tuple[str, ...]) -> Iterator[str]:
        result = pyinfra(f"@docker/{base_image}", "deploy.py", "-y", *settings)
        assert result.returncode == 0, result.stderr
        assert "untagged image without an entrypoint" in result.stderr
        box = result.stderr.rpartition("-- The image is made, without a name ")[2]
        assert f"pyinfra @bake/{base_image} deploy.py" in result.stderr and "--entrypoint visomaster-start" in box
        found = re.search(r"image ID: .*?([0-9a-f]{12})", result.stderr)
        assert found
        yield found[1]
        docker("rmi", found[1])

    @pytest.fixture(scope="class")
    @classmethod
    def box(cls, image: str) -> Iterator[Container]:
        with container(image, "--entrypoint=visomaster-start") as box:
            box.wait_ready()
            yield box

    def test_the_host_tests_pass(self, box: Container) -> None:
        host_suite(f"docker://{box.name}")

    def test_a_second_run_changes_nothing(self, box: Container, settings: tuple[str, ...]) -> None:
        assert_nothing_changes(f"@docker/{box.name}", "deploy.py", "-y", *settings)

    def test_one_edit_reloads_one_service(self, box: Container, settings: tuple[str, ...], edited: Path) -> None:
        assert_one_service_reloads(box, edited, f"@docker/{box.name}", "deploy.py", "-y", *settings)


class TestSsh:
    """`pyinfra HOST deploy.py`: a rented box, which runs sshd and nothing of ours."""

    @pytest.fixture(scope="class")
    @classmethod
    def key(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        path = tmp_path_factory.mktemp("key") / "id_ed25519"
        assert run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]).returncode == 0
        return path

    @pytest.fixture(scope="class")
    @classmethod
    def box(cls, key: Path) -> Iterator[Container]:
        public = key.with_suffix(".pub").read_text().strip()
        image = base.rented_image("bookworm")
        with container(image, f"--env=AUTHORIZED_KEY={public}", "--publish=127.0.0.1::22") as box:
            wait_for_sshd(int(docker("port", box.name, "22/tcp").rpartition(":")[2]))
            yield box

    @pytest.fixture(scope="class")
    @classmethod
    def address(cls, box: Container, key: Path, settings: tuple[str, ...]) -> tuple[str, ...]:
        """pyinfra's arguments that reach the box."""
        port = docker("port", box.name, "22/tcp").rpartition(":")[2]
        forget_host_key(int(port))
        return (
            "127.0.0.1",
            "--ssh-port",
            port,
            "--ssh-user",
            "root",
            "--ssh-key",
            str(key),
            "deploy.py",
            "-y",
            *settings,
        )

    @pytest.fixture(scope="class")
    @classmethod
    def applied(cls, box: Container, address: tuple[str, ...], key: Path) -> Container:
        """The box after one run, its desktop started by it."""
        result = pyinfra(*address)
        assert result.returncode == 0, result.stderr
        said = result.stderr.rpartition("-- The desktop is ready on 127.0.0.1 ")[2]
        ssh = f"-i {key} -p {address[2]} root@127.0.0.1"
        assert f"ssh -L 11111:127.0.0.1:11111 {ssh}" in said or f"ssh -L 5901:127.0.0.1:5901 {ssh}" in said, said
        assert f"ssh {ssh} visomaster-credentials" in said
        assert f"make verify HOST=paramiko://root@127.0.0.1:{address[2]} KEY={key}" in said
        assert "Failed to load host keys" not in result.stderr and ";Need" not in result.stderr
        assert box.run("visomaster-ready").returncode == 0
        return box

    def test_the_host_tests_pass(self, applied: Container, address: tuple[str, ...], key: Path) -> None:
        host_suite(f"paramiko://root@127.0.0.1:{address[2]}", f"--ssh-identity-file={key}")

    def test_a_login_is_greeted_and_a_command_is_not(
        self, applied: Container, address: tuple[str, ...], key: Path, tmp_path: Path
    ) -> None:
        """A terminal gets the three commands; a command and scp, by both of its protocols, what they asked for."""
        known = ("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known", "-i", str(key))
        port, box = address[2], "root@127.0.0.1"
        assert run(["ssh", *known, "-p", port, box, "echo answer"]).stdout == "answer\n"
        greeted = run(["sh", "-c", 'echo exit | "$@"', "sh", "ssh", "-tt", *known, "-p", port, box]).stdout
        assert "visomaster-ready" in greeted and "visomaster-credentials" in greeted
        for protocol in ([], ["-O"]):
            copied = tmp_path / f"copied{len(protocol)}"
            done = run(["scp", "-q", *protocol, *known, "-P", port, f"{box}:/etc/os-release", str(copied)])
            assert (done.returncode, copied.exists()) == (0, True), done.stderr

    def test_a_second_run_changes_nothing(self, applied: Container, address: tuple[str, ...]) -> None:
        """Nor does it wait for the network: of more than forty questions nearly all are asked together."""
        assert 0 < assert_nothing_changes(*address) <= COMMANDS

    def test_one_edit_reloads_one_service(self, applied: Container, address: tuple[str, ...], edited: Path) -> None:
        shutil.copytree(ROOT / ".state", edited / ".state", dirs_exist_ok=True)
        assert_one_service_reloads(applied, edited, *address)
