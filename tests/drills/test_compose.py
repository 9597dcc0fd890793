"""compose.yaml as a person uses it: a profile, its secret as a file, its volumes. Only the GPU is left out."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncvnc
import pytest
import requests

from sandbox import desktop
from sandbox.shell import LABEL
from spec.here import ROOT
from spec.variant import VARIANTS
from tests.documents import block
from tests.e2e.machine import BIN, Container, run

pytestmark = pytest.mark.filterwarnings("ignore:.*TripleDES")
BIND = "127.0.0.2"
"""Where the ports are published: on the usual address a desktop of `make up` may have them."""
SECRETS = {"vnc_password": "pa55w0rd", "portal_token": "a-token-of-sixteen"}
"""As compose.yaml names them: the first with a line break at its end, as editors write it."""


@pytest.fixture
def project(tmp_path: Path, asset_server: str) -> Path:
    """A folder with the secrets' files, and what is different here: no GPU, and a model hub of our own."""
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets/vnc_password").write_text(SECRETS["vnc_password"] + "\n")
    (tmp_path / "secrets/portal_token").write_text(SECRETS["portal_token"])
    # YAML as Docker Compose extends it: !reset takes a key away.
    lines = ["services:"]
    for name in VARIANTS:
        # The engine keeps a network of Compose's own away from the one that the asset server is in.
        lines += [f"  {name}:", "    network_mode: bridge", "    deploy: !reset null", f'    labels: {{{LABEL}: "1"}}']
        lines += [f'    environment: {{VISOMASTER_MIRRORS: "{desktop.mirrors(asset_server)}"}}']
    (tmp_path / "here.yaml").write_text("\n".join(lines) + "\n")
    return tmp_path


def compose(project: Path, variant: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Docker Compose with the profile of `variant`."""
    files = ("--file", ROOT / "compose.yaml", "--file", project / "here.yaml")
    options = ("--project-directory", project, "--project-name", f"vm-drill-{variant}", "--profile", variant)
    environment = {**os.environ, "REPOSITORY": desktop.REPOSITORY_NAME, "BIND": BIND}
    return run([BIN / "docker-compose", *files, *options, *words], timeout=300, cwd=ROOT, env=environment)


@contextmanager
def going(project: Path, variant: str) -> Iterator[Container]:
    """`docker compose --profile VARIANT up --detach`; taken down with its volumes at the end."""
    desktop.bake(variant)
    try:
        started = compose(project, variant, "up", "--detach")
        assert started.returncode == 0, started.stderr
        box = Container(name=compose(project, variant, "ps", "--quiet").stdout.strip())
        box.wait_ready()
        yield box
    finally:
        assert compose(project, variant, "down", "--volumes").returncode == 0


async def size_of_the_desktop() -> tuple[int, int]:
    """What a VNC client with the password is shown."""
    async with asyncvnc.connect(BIND, 5901, password=SECRETS["vnc_password"]) as client:
        return client.video.width, client.video.height


def test_the_vnc_profile_takes_its_password_from_a_file(project: Path) -> None:
    """And survives its container: what is in the volume is there for the next one."""
    with going(project, "default") as box:
        assert asyncio.run(size_of_the_desktop()) == (1920, 1080)
        box.output("sh", "-c", "echo kept >/workspace/note")
        assert compose(project, "default", "up", "--detach", "--force-recreate").returncode == 0
        again = Container(name=compose(project, "default", "ps", "--quiet").stdout.strip())
        assert again.name != box.name
        assert again.output("cat", "/workspace/note") == "kept\n"


@pytest.mark.parametrize("variant", ["alt", "s-def"])
def test_a_portal_profile_takes_its_token_from_a_file(project: Path, variant: str) -> None:
    """With the models of the image, and with models that come at start and stay in a volume."""
    with going(project, variant) as box:
        address = f"http://{BIND}:11111/"
        assert requests.get(address, timeout=10).status_code == 401
        bearer = {"Authorization": f"Bearer {SECRETS['portal_token']}"}
        assert requests.get(address, headers=bearer, timeout=10).status_code == 200
        in_volume = "/app/models" in box.output("cat", "/proc/mounts")
        assert in_volume == (variant == "s-def")
        assert SECRETS["portal_token"] not in box.output("sh", "-c", "cat /var/log/portal/* /var/log/supervisor/*")


def test_a_folder_of_ones_own_is_the_workspace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the guide has it: made for the program's user, named by `WORKSPACE`; the way in is told by the container."""
    made, start = block("docs/guide.md", "sudo install -d").splitlines()
    assert run(["bash", "-c", made.removeprefix("sudo ")], cwd=project).returncode == 0
    name, _, folder = start.split()[0].partition("=")
    monkeypatch.setenv(name, folder)
    told, _ = block("docs/guide.md", "docker compose --profile alt exec").splitlines()
    with going(project, "alt") as box:
        box.output(
            "setpriv", "--reuid=visomaster", "--clear-groups", "sh", "-c", "echo made >/workspace/out/result.txt"
        )
        assert (project / folder / "out/result.txt").read_text() == "made\n"
        assert SECRETS["portal_token"] in compose(project, "alt", "exec", "-T", *told.split()[-2:]).stdout
    assert (project / folder / "out/result.txt").exists()
