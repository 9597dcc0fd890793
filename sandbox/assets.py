"""The asset server: what hubs and registries are elsewhere, in one container of this machine.

It serves /channel/ (Conda), /models/, /dependencies/ and /git/sandbox.git. Profiles and manifests name these
by `http://assets.sandbox.invalid/…`, an address that exists nowhere, and reach them through a mirror:
`http://assets.sandbox.invalid=` followed by `url()` or `bridge_url()`.
"""

from __future__ import annotations

import http.client
import os
import shutil
import time
import urllib.error
import urllib.request

from sandbox import git, models
from sandbox.base import derived_image
from sandbox.channel import RELEASE, channel
from sandbox.engine import docker, label_of
from sandbox.shell import CACHE, INPUTS_LABEL, LABEL, REPOSITORY, SandboxError, fingerprint, lock, step

CONTAINER = "visomaster-sandbox-assets"
PORT = 18611
INNER_PORT = 8080
APPLICATION = REPOSITORY / "sandbox" / "application"
SERVER = REPOSITORY / "sandbox" / "server.py"
WWW = CACHE / "www"
START_SECONDS = 20


def url() -> str:
    """Return the server's address for this machine and for containers that use its network."""
    return f"http://127.0.0.1:{PORT}"


def bridge_url() -> str:
    """Return the server's address for containers on Docker's own network.

    Raises SandboxError when the server is not up.
    """
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = docker("container", "inspect", "--format", form, CONTAINER).strip()
    if not address:
        raise SandboxError(f"{CONTAINER} has no address: it is not running")
    return f"http://{address}:{INNER_PORT}"


def up(rate: int = 0) -> str:
    """Make what is served, start the server with it unless it runs already, and return its address.

    `rate` limits every connection to so many bytes per second (0: no limit).
    """
    channel(WWW)
    image = derived_image("assets", RELEASE)
    with lock("assets"):
        _write_served()
        inputs = fingerprint(label_of("image", image, INPUTS_LABEL), SERVER, str(WWW), str(rate))
        if label_of("container", CONTAINER, INPUTS_LABEL) != inputs or not _running():
            _start(image, inputs, rate)
    return url()


def down() -> None:
    """Remove the server's container."""
    if _exists():
        with step("removing the asset server"):
            docker("rm", "--force", CONTAINER, timeout=60)


def _write_served() -> None:
    """Write models, dependencies and the repository; what is there already and the same is kept."""
    with step("writing models and the application's repository"):
        models.write_assets(WWW)
        repository = WWW / "git" / "sandbox.git"
        head = repository / "refs" / "heads" / git.BRANCH
        if not head.is_file() or head.read_text().strip() != git.commit_of(APPLICATION):
            shutil.rmtree(repository, ignore_errors=True)
            git.write_repository(APPLICATION, repository)


def _exists() -> bool:
    return bool(docker("ps", "--all", "--quiet", "--filter", f"name=^{CONTAINER}$").strip())


def _running() -> bool:
    return bool(docker("ps", "--quiet", "--filter", f"name=^{CONTAINER}$").strip())


def _start(image: str, inputs: str, rate: int) -> None:
    """Replace the container and wait until it answers."""
    down()
    options = [
        f"--name={CONTAINER}",
        "--init",
        "--read-only",
        "--cap-drop=ALL",
        f"--user={os.getuid()}:{os.getgid()}",
    ]
    options += [f"--label={LABEL}=1", f"--label={INPUTS_LABEL}={inputs}"]
    options += [f"--publish=127.0.0.1:{PORT}:{INNER_PORT}"]
    options += [f"--volume={WWW}:/srv/www:ro", f"--volume={SERVER}:/srv/server.py:ro"]
    command = ["python3", "/srv/server.py", "/srv/www", f"--port={INNER_PORT}", f"--rate={rate}"]
    with step(f"starting the asset server on 127.0.0.1:{PORT}"):
        docker("run", "--detach", *options, image, *command)
        _wait()


def _wait() -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url(), timeout=2):
                return
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            time.sleep(0.1)
    raise SandboxError(f"the asset server does not answer on {url()}: see `docker logs {CONTAINER}`")
