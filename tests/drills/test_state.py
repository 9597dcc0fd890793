"""What the program keeps outlives its container: killed while it is taken along, recreated, of another variant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from uuid import uuid4

import pytest
from visomaster_host import paths, users

from sandbox import desktop
from tests.e2e.machine import Container, container, docker

STATE = paths.KEPT / "sandbox"
ENGINE = "tensorrt-engines/old.engine"
STAGED = STATE / ".taking-along"
MIDDLE = f"""
until test -s {STAGED}/old.engine; do :; done
pkill -STOP -u {users.DESKTOP}
test -e {STAGED} && stat -c %s {STAGED}/old.engine
"""
"""The program's user is held in the middle of the first move; how many bytes of the engine are there then."""

SIZE = 600_000_000
LIVED_IN = f"""
mkdir tensorrt-engines
head -c {SIZE} /dev/urandom >{ENGINE}
echo mine >presets/Mine.json
echo changed >presets/Standard.json
chown -R {users.DESKTOP}: .
"""
NEWER = f"""
echo '{{"text": "newer"}}' >presets/Standard.json
echo '{{"text": "newer"}}' >presets/New.json
chown -R {users.DESKTOP}: presets
"""


@pytest.fixture(scope="module")
def volume() -> Iterator[str]:
    """What is mounted at /workspace."""
    name = docker("volume", "create", f"visomaster-test-{uuid4().hex[:12]}")
    yield name
    docker("volume", "rm", "--force", name)


def started(image: str, volume: str, before: str, *options: str) -> AbstractContextManager[Container]:
    """A container whose program's folder was changed by the shell's `before` first."""
    script = f"cd {paths.PROGRAM}\nif ! test -e /changed; then {before} touch /changed; fi\nexec visomaster-start"
    mounted = (f"--volume={volume}:{paths.WORKSPACE}", "--entrypoint=sh")
    return container(image, *mounted, *options, command=("-euc", script))


def sums(box: Container, *folders: str) -> set[str]:
    """The sha256 of every file in these folders."""
    found = box.output("sh", "-c", 'find -L "$@" -type f -exec sha256sum {} + 2>/dev/null', "sums", *folders)
    return {line.split()[0] for line in found.splitlines()}


def test_nothing_is_lost_by_a_kill_nor_with_the_container(asset_server: str, volume: str) -> None:
    """Docker kills it in the middle of the first move; later a new container has another variant and another commit."""
    link = f"{paths.PROGRAM}/tensorrt-engines"
    with started(desktop.bake("alt"), volume, LIVED_IN) as box:
        there = int(box.output("sh", "-c", MIDDLE))
        before = sums(box, str(paths.PROGRAM / "presets"), link)
        docker("kill", box.name)
        assert 0 < there < SIZE, "it was in the middle"
        assert len(before) == 3
        docker("start", box.name)
        box.wait_ready()
        assert before <= sums(box, str(STATE))
        assert box.output("readlink", link).strip() == f"{STATE}/tensorrt-engines/no-gpu"
        assert box.run("ls", str(STAGED)).returncode != 0
        kept = sums(box, str(STATE))
    mirrors = f"--env=VISOMASTER_MIRRORS={desktop.mirrors(asset_server)}"
    with started(desktop.bake("s-def"), volume, NEWER, mirrors) as box:
        box.wait_ready()
        assert kept <= sums(box, str(STATE))
        names = box.output("ls", str(paths.PROGRAM / "presets")).splitlines()
        assert names == ["Mine.json", "New.json", "Standard (from the image).json", "Standard.json"]
        assert box.output("cat", str(paths.PROGRAM / "presets/Standard.json")) == "changed\n"
        assert "results='/workspace/out'" in box.output("cat", "/var/log/portal/visomaster_app.log")
