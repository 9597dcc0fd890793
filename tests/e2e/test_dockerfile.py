"""`docker build`: one layer for each part, nothing of the build in the image, and the same metadata as `@bake`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.dockerfile import Build, build, built
from tests.e2e.machine import ROOT, container, docker, host_suite

SMALL = 200_000
"""Bytes that an edit of a service's template may add."""

LEFTOVERS = (
    "-name 'pyinfra*' -o -name 'py_rattler*' -o -name playbook -o -path '/var/lib/apt/lists/*Packages*'"
    " -o -path '/var/cache/apt/*.deb' -o -path '/var/cache/apt/*.bin' -o -path '*/.cache/pip'"
    " -o -path '/dev/shm/*' -o -path /stages -o -path /sources"
    " -o -path '/etc/ssh/ssh_host_*' -o -path /var/lib/visomaster/secrets -o -path /root/.ssh"
    " -o \\( -path /etc/machine-id -size +0 \\)"
)


@pytest.fixture(scope="module")
def bookworm(engine_going: None) -> Iterator[Build]:
    """The default variant from the Dockerfile on Debian 12."""
    yield from built("bookworm")


@pytest.fixture(scope="module")
def trixie(engine_going: None) -> Iterator[Build]:
    """The same on Debian 13, whose renamed libraries stand for Ubuntu 24.04's."""
    yield from built("trixie")


def test_the_host_tests_pass(bookworm: Build) -> None:
    with container(bookworm.tag) as box:
        box.wait_ready()
        host_suite(f"docker://{box.name}")


def test_the_host_tests_pass_on_the_machine_itself(trixie: Build, tmp_path: Path) -> None:
    """`local://`: the same tests, run by the host's own Python, on the next release."""
    playbook = build("trixie", target="playbook", name="playbook")
    source = docker("create", playbook.tag)
    docker("cp", f"{source}:/playbook", str(tmp_path))
    docker("rm", source)
    docker("rmi", "--force", playbook.tag)
    volumes = (f"--volume={tmp_path}/playbook/venv:/playbook/venv:ro", f"--volume={ROOT}:/repository:ro")
    with container(trixie.tag, *volumes) as box:
        box.wait_ready()
        pytest_command = "cd /repository && exec /playbook/venv/bin/python -B -m pytest"
        suite = box.run("sh", "-c", f"{pytest_command} tests/host --hosts=local:// -q -rs -p no:cacheprovider")
        assert suite.returncode == 0, suite.stdout + suite.stderr
        print(f"\nlocal:// on trixie: {suite.stdout.strip().splitlines()[-1]}")


def test_the_metadata_is_that_of_bake(bookworm: Build, baked: str) -> None:
    """One source for both: entrypoint, health check, ports, environment, labels."""
    assert comparable(bookworm.tag) == comparable(baked)
    assert comparable(baked)["Entrypoint"] == ["visomaster-start"]


def comparable(image: str) -> dict[str, Any]:
    """What tells an engine how to run an image, without what the two builders write differently by nature: on a base
    without PATH the one of the Dockerfile adds it, and no arguments are [] for one and null for the other."""
    found = json.loads(docker("image", "inspect", image))[0]["Config"]
    keys = ("Entrypoint", "ExposedPorts", "Healthcheck", "Labels", "User", "Volumes", "WorkingDir")
    environment = sorted(item for item in found["Env"] if not item.startswith("PATH="))
    labels = {
        **found["Labels"],
        "org.opencontainers.image.revision": "",
    }  # a bake is kept while nothing it reads changes
    return {**{key: found.get(key) for key in keys}, "Labels": labels, "Env": environment, "Cmd": found["Cmd"] or []}


@pytest.mark.parametrize("route", ["bookworm", "baked"])
def test_nothing_of_the_build_is_in_the_image(route: str, request: pytest.FixtureRequest) -> None:
    image = request.getfixturevalue(route)
    tag = image.tag if isinstance(image, Build) else image
    find = f"find / -xdev \\( {LEFTOVERS} \\) -print"
    assert docker("run", "--rm", "--entrypoint=sh", tag, "-c", find) == ""
    history = docker("history", "--no-trunc", tag)
    assert "password" not in history.lower() and "token" not in history.lower()


def test_an_edit_that_the_services_alone_read_is_a_small_layer(bookworm: Build, tmp_path: Path) -> None:
    """Every earlier layer comes from the cache; what is built and pushed anew is small."""
    copy = tmp_path / "edited"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", ".cache", "__pycache__"))
    template = copy / "templates/etc/supervisor/conf.d/program.conf.j2"
    template.write_text(template.read_text() + "; edited\n")
    for code in ("operations/supervisor.py", "spec/settings.py"):
        (copy / code).write_text((copy / code).read_text() + "# edited\n")
    guide = copy / "VisoMaster/Install_Guide.ipynb"
    guide.write_text(guide.read_text().replace("VisoMaster on this machine", "VisoMaster, edited"))
    again = build("bookworm", context=copy, name="edited")
    try:
        old, new = layers(bookworm.tag), layers(again.tag)
        print("\n" + table(old, new))
        fresh = [size for (digest, size, _) in new if digest not in {layer[0] for layer in old}]
        assert len(fresh) == 1 and sum(fresh) < SMALL
        assert len(re.findall(r"^#\d+ CACHED$", again.log, re.MULTILINE)) >= len(old) - 2
    finally:
        docker("rmi", "--force", again.tag)


def layers(image: str) -> list[tuple[str, int, str]]:
    """(digest, bytes, what made it) of every layer that holds something, first one first."""
    digests = json.loads(docker("image", "inspect", image))[0]["RootFS"]["Layers"]
    history = docker(
        "history", "--no-trunc", "--human=false", "--format", "{{.Size}}\t{{.CreatedBy}}", image
    ).splitlines()
    steps = [line.partition("\t")[::2] for line in reversed(history)]
    made = [(int(size), step) for size, step in steps if step.startswith(("RUN", "COPY")) or not step]
    assert len(made) == len(digests), (len(made), len(digests))
    return [(digest, size, step) for digest, (size, step) in zip(digests, made, strict=True)]


def table(old: list[tuple[str, int, str]], new: list[tuple[str, int, str]]) -> str:
    """Layer, size, and whether the edit made it anew."""
    kept = {digest for digest, _, _ in old}
    lines = [f"{'layer':<24}{'bytes':>14}  after the edit"]
    for digest, size, step in new:
        name = re.search(r"cd /dev/shm/([\w-]+)|COPY (\S+)", step)
        title = (name[1] or name[2]) if name else "base"
        lines.append(f"{title:<24}{size:>14,}  {'kept' if digest in kept else 'NEW'}")
    return "\n".join(lines)
