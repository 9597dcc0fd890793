"""The guide, followed to the letter: from an empty Debian machine to a desktop on a box, and to work that is at home.

What is typed is read from the guide; a person's own values stand in the place of its names in capitals. The machine is
a container without anything but the distribution's smallest system, the box one that has sshd, as rented ones do.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import base, desktop
from sandbox.engine import docker_command
from spec.here import ROOT
from tests.documents import block, filled
from tests.e2e.machine import Container, container, docker, run, wait_for_sshd

GUIDE = "docs/guide.md"
FOLDER = "/root/VisoMaster"
ASKS_WITHIN = 60
"""Seconds in which a program asks, and ends when it was answered."""
EXAMPLE = {"203.0.113.7": "ADDRESS", "20022": "SSH_PORT"}
"""What stands for a box's address where an example is better than a name."""


@dataclass(frozen=True, kw_only=True)
class Machine(Container):
    """What a person sits at."""

    def types(self, text: str, keys: str = "", folder: str = FOLDER) -> str:
        """Type `text` in `folder`, then `keys`; what is shown. Fails the test when a line of it fails.

        Who is root on so small a system has no sudo.
        """
        script = "set -e\n" + text.replace("sudo ", "")
        words = [docker_command(), "exec", "--interactive", "--workdir", folder, self.name, "bash", "-c", script]
        done = run(words, timeout=500, input=keys)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def answers(self, command: str, question: str, answer: str) -> str:
        """Type `command` at a terminal, and `answer` when it asks `question`; what is shown."""
        ours, theirs = pty.openpty()
        words = [docker_command(), "exec", "--interactive", "--tty", self.name, *shlex.split(command)]
        process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown, answered, deadline = "", False, time.monotonic() + ASKS_WITHIN
        with contextlib.suppress(OSError):  # the other end is closed
            while time.monotonic() < deadline and (part := os.read(ours, 4096).decode(errors="replace")):
                shown += part
                if question in shown and not answered:
                    os.write(ours, f"{answer}\n".encode())
                    answered = True
        os.close(ours)
        assert process.wait(ASKS_WITHIN) == 0, shown
        return shown


@dataclass(frozen=True, kw_only=True)
class Evening:
    """A machine, a box, and where the box is reached."""

    machine: Machine
    box: Container
    address: str
    data: str

    def said(self, first: str) -> str:
        """A block of the guide with this box's address."""
        text = block(GUIDE, first)
        for example, name in EXAMPLE.items():
            text = text.replace(example, name)
        return text.replace("ADDRESS", self.address).replace("SSH_PORT", "22")


def repository(folder: Path) -> Path:
    """This tree as one commit, in one file from which git clones."""
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    tree, bundle = folder / "tree", folder / "repository.bundle"
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            run(["cp", "-P", "--preserve=mode", ROOT / name, tree / name])
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all", "--force"],
        ["commit", "--quiet", "--message=The tree"],
        ["bundle", "create", "--quiet", str(bundle), "HEAD", "main"],
    ):
        assert run([*git, *words], cwd=tree).returncode == 0
    return bundle


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """After chapter 1, and with the key of chapter 4."""
    with container(base.base_image("bookworm"), "--entrypoint=sleep", command=("infinity",)) as empty:
        machine = Machine(name=empty.name)
        docker("cp", str(repository(tmp_path_factory.mktemp("clone"))), f"{empty.name}:/root/here.bundle")
        machine.types(block(GUIDE, "sudo apt-get update"), folder="/root")
        cloned = {
            "https://github.com/YOUR_NAME/YOUR_REPOSITORY": f"/root/here.bundle {FOLDER}",
            "YOUR_REPOSITORY": FOLDER,
        }
        shown = machine.types(filled(block(GUIDE, "git clone"), cloned), folder="/root")
        assert "make up " in shown and "make rent " in shown
        made = machine.types(block(GUIDE, "ssh-keygen -t ed25519"), keys="\n\n")
        assert re.search(r"(?m)^ssh-ed25519 \S+ ", made), made
        yield machine


@pytest.fixture(scope="module")
def evening(machine: Machine, asset_server: str) -> Iterator[Evening]:
    """With a bare box that was rented."""
    public = machine.types("cat ~/.ssh/id_ed25519.pub").strip()
    with container(base.rented_image("bookworm"), f"--env=AUTHORIZED_KEY={public}", "--publish=127.0.0.1::22") as box:
        wait_for_sshd(int(docker("port", box.name, "22/tcp").rpartition(":")[2]))
        address = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", box.name)
        data = " ".join(shlex.quote(word) for word in desktop.data("alt", asset_server)[2:])
        yield Evening(machine=machine, box=box, address=address, data=data)


@pytest.fixture(scope="module")
def asked(evening: Evening) -> str:
    """What the first connection asks, answered as the guide says."""
    return evening.machine.answers(f"ssh root@{evening.address} true", "(yes/no/[fingerprint])?", "yes")


@pytest.fixture(scope="module")
def deployed(evening: Evening, asked: str) -> Evening:
    """After chapter 12: the box is a desktop."""
    machine = evening.machine
    machine.types(evening.said("python3 -m sandbox venv\n"))
    for line in evening.said("Host my-box").splitlines():
        machine.types(
            f"mkdir -p ~/.ssh && echo {shlex.quote(line.replace('Port SSH_PORT', 'Port 22'))} >>~/.ssh/config"
        )
    first = block(GUIDE, ".venv/bin/pyinfra my-box deploy.py -y --data variant=alt\n").strip()
    print(machine.types(f"{first} {evening.data}"))
    assert evening.box.run("visomaster-ready").returncode == 0
    return evening


def test_ssh_asks_what_the_guide_shows(asked: str) -> None:
    """But for the address and the fingerprint."""
    for line in block(GUIDE, "The authenticity of host").splitlines():
        for part in re.split(r"'.*'|SHA256:\S+", line):
            assert part in asked


def test_a_second_deploy_without_data_keeps_the_variant(deployed: Evening) -> None:
    again = block(GUIDE, ".venv/bin/pyinfra my-box deploy.py -y\n").strip()
    shown = deployed.machine.types(f"{again} {deployed.data.partition('application=sandbox ')[2]}")
    assert "stays as it is" in shown and "variant=alt" in shown
    assert "selkies" in deployed.box.run("supervisorctl", "status").stdout


def test_the_tests_of_every_image_pass(deployed: Evening) -> None:
    shown = deployed.machine.types(block(GUIDE, "make verify HOST=paramiko://my-box"))
    assert "ok      The desktop is ready to be used" in shown and "as it should be" in shown.splitlines()[-1], shown


def test_a_video_goes_up_and_a_result_comes_home(deployed: Evening) -> None:
    deployed.machine.types("echo film >video.mp4")
    deployed.box.output("sh", "-c", "cd /workspace/out; echo made >result.mp4; touch -d '1 minute ago' result.mp4")
    deployed.machine.types(deployed.said("rsync --append-verify"))
    assert deployed.box.output("cat", "/workspace/in/video.mp4") == "film\n"
    assert deployed.machine.types("cat result.mp4") == "made\n"


def test_all_to_take_home_is_in_one_file(deployed: Evening) -> None:
    deployed.box.output("bash", "-ec", block(GUIDE, "visomaster-state save"))
    assert deployed.box.output("sh", "-c", "head -c 2 /workspace/home.zip") == "PK"


def test_the_login_is_told_and_changed(deployed: Evening) -> None:
    token = re.compile(r"(?m)^token: (.*)$")
    told = [deployed.box.output("bash", "-ec", block(GUIDE, "visomaster-credentials\n")) for _ in range(2)]
    assert told[0] == told[1] and token.search(told[0])
    deployed.box.output("sh", "-c", "echo a-token-of-my-own >/root/file")
    changed = filled(block(GUIDE, "visomaster-credentials --new"), {"<file": "</root/file"})
    first, second = token.findall(deployed.box.output("bash", "-ec", changed))
    assert first not in told[0] and second == "a-token-of-my-own"


def test_a_tunnel_brings_a_port_of_the_box(deployed: Evening) -> None:
    """The portal's, in the place of VNC's."""
    tunnel = filled(deployed.said("ssh -p SSH_PORT -L"), {"5901": "11111"}).strip()
    ask = "import urllib.request as web; print(web.urlopen('http://127.0.0.1:11111/health', timeout=9).status)"
    until_it_answers = f"for n in $(seq 50); do python3 -c {shlex.quote(ask)} && break; sleep 0.2; done"
    shown = deployed.machine.types(f"{tunnel} sleep 60 & {until_it_answers}; kill %1")
    assert "200" in shown.split(), shown


def test_an_old_box_is_forgotten(deployed: Evening) -> None:
    """By ssh and by this project; on port 22 an address stands without brackets."""
    forget = deployed.said("ssh-keygen -R").replace(f"[{deployed.address}]:22", deployed.address)
    files = "cat ~/.ssh/known_hosts .state/known_hosts"
    assert deployed.address in deployed.machine.types(files)
    deployed.machine.types(forget)
    assert deployed.address not in deployed.machine.types(files)


def test_a_secret_and_a_folder_for_compose(machine: Machine) -> None:
    """What stands before `docker compose` in its blocks."""
    (_, secret, _) = block(GUIDE, "make image VARIANT=alt\n(umask").splitlines()
    machine.types(secret)
    mode, size = machine.types("stat --format='%a %s' secrets/portal_token").split()
    assert mode == "600" and int(size) >= 16
    folder, _ = block(GUIDE, "sudo install -d").splitlines()
    machine.types(folder)
    assert machine.types("stat --format=%u:%g work") == "3717:3717\n"


def test_a_machine_that_is_nothing_else(deployed: Evening) -> None:
    """Chapter 13: the machine itself becomes the desktop."""
    _, command = block(GUIDE, "python3 -m sandbox venv\n.venv/bin/pyinfra @local").splitlines()
    deployed.machine.types(f"{command} {deployed.data}")
    assert deployed.machine.run("visomaster-ready").returncode == 0
