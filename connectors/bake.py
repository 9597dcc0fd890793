"""`@bake/IMAGE`: pyinfra's docker connector, ending in a finished image.

    pyinfra @bake/debian:12 deploy.py -y

starts a container of IMAGE, runs the deploy in it and, when everything succeeded, commits it under the tags
and with the metadata that the deploy described with `describe`. The stock `@docker/IMAGE` leaves an untagged
image whose CMD is `tail -f /dev/null`, also after a failed or a dry run (pyinfra 3.10); this one then leaves
nothing. Host data:

- `docker_platform`: as for `@docker`;
- `docker_run_args`: a list of more options for `docker run`, such as `["--network", "host"]`. The engine
  copies a container's environment and labels into the image: give `-e` and `--label` only what may stay.

The environment variable DOCKER names the client (default `docker`).
"""

from __future__ import annotations

import atexit
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn
from uuid import uuid4

import gevent
from click import ClickException
from gevent.subprocess import PIPE, Popen
from pyinfra import logger
from pyinfra.api.exceptions import ConnectError, InventoryError, PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State, StateStage
from pyinfra.connectors.base import DataMeta
from pyinfra.connectors.docker import DockerConnector
from pyinfra.progress import progress_spinner
from typing_extensions import TypedDict, override
from visomaster_host.text import brief

from spec.image import ImageConfig

CONTAINER_PREFIX = "bake-"
"""What the names of our containers begin with. A label would be committed into the image, a name is not."""

LONGEST_BAKE = 24 * 3600
"""Seconds after which a container that a killed controller left behind ends and removes itself."""

_DESCRIPTION = "bake_image"
_HINTS = ("See '", "Run '")


class BakeError(ClickException):
    """Why there is no image, in one line; pyinfra's command line prints it and exits 1."""


def describe(host: Host, image: ImageConfig) -> None:
    """Say what `host` becomes when the run succeeds; call it from a deploy, at any place in it.

    Other connectors take no notice, so a deploy need not know how it is applied. Raises `PyinfraError` when
    the host was already described otherwise, or when two hosts of one run would get the same tag.
    """
    if not isinstance(host.connector, BakeConnector):
        return  # ten rented boxes of one variant are no ten images of one tag
    for other in host.inventory:
        known: ImageConfig | None = other.connector_data.get(_DESCRIPTION)
        if known is None:
            continue
        if other.name == host.name and known != image:
            raise PyinfraError(f"{host.name} is described as two images: {known.tags} and {image.tags}")
        shared = set(known.tags) & set(image.tags)
        if other.name != host.name and shared:
            raise PyinfraError(f"{other.name} and {host.name} would both become {', '.join(sorted(shared))}")
    host.connector_data[_DESCRIPTION] = image


class BakeData(TypedDict):
    """The connector's host data."""

    docker_identifier: str
    docker_platform: str
    docker_run_args: list[str]


_DATA_META = {
    "docker_identifier": DataMeta("Image to start from"),
    "docker_platform": DataMeta("Platform of the image, such as linux/amd64"),
    "docker_run_args": DataMeta("More options for `docker run`", []),
}


class BakeConnector(DockerConnector):
    """Start a container from an image, run operations in it, keep it as a finished image if all succeed."""

    docker_cmd = os.environ.get("DOCKER") or "docker"
    data_cls = BakeData  # type: ignore[assignment]
    data_meta = _DATA_META
    data: BakeData  # type: ignore[assignment]

    def __init__(self, state: State, host: Host) -> None:
        super().__init__(state, host)
        self.container_id = f"{CONTAINER_PREFIX}{uuid4().hex[:12]}"
        self._starting: Popen[bytes] | None = None

    @override
    @staticmethod
    def make_names_data(name: str | None = None) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """The one host that `@bake/NAME` stands for."""
        if not name:
            raise InventoryError("@bake expects an image: @bake/IMAGE")
        yield f"@bake/{name}", {"docker_identifier": name}, ["@bake"]

    @override
    def connect(self) -> None:
        """Start the container, as root and doing nothing. Raises `ConnectError`, one line, when it cannot."""
        _exit_on_signals(self.state)
        self.local.connect()
        self._have_image()
        atexit.register(self._remove)
        status, _, error = self._docker(
            "run", "-d", "--rm", "--name", self.container_id, "--user", "0:0", "--entrypoint", "sleep",
            *self._platform(), *self.data["docker_run_args"], self._base, str(LONGEST_BAKE), starting=True,
        )  # fmt: skip
        if status != 0:
            self._remove()
            raise ConnectError(f"cannot start a container from {self._base}: {error}")

    @override
    def disconnect(self) -> None:
        """Commit the container if the run succeeded and described an image; remove it in any case."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the end of a run is short, half an end leaves rubbish
        try:
            if self.state.current_stage is StateStage.Disconnect and self.host not in self.state.failed_hosts:
                self._keep()
        finally:
            self._remove()

    @property
    def _base(self) -> str:
        return self.data["docker_identifier"]

    def _platform(self) -> list[str]:
        platform = self.data["docker_platform"]
        return ["--platform", platform] if platform else []

    def _have_image(self) -> None:
        """Pull the base image if it is not here, with docker's own progress on stderr."""
        volumes_of = "{{range $path, $_ := .Config.Volumes}}{{$path}} {{end}}"
        status, volumes, _ = self._docker("image", "inspect", "--format", volumes_of, self._base)
        if status == 0:
            if volumes:
                logger.warning(f"{self._base} declares volumes, what is written there is not kept: {brief(volumes)}")
            return
        if self._docker("container", "inspect", self._base)[0] == 0:
            raise ConnectError(f"{self._base} is a container, @bake expects an image")
        status, _, error = self._docker("pull", *self._platform(), self._base, stdout=sys.stderr)
        if status != 0:
            raise ConnectError(f"no image {self._base}: {error}")

    def _keep(self) -> None:
        image: ImageConfig | None = self.host.connector_data.get(_DESCRIPTION)
        if image is None:
            if self.state.current_deploy_filename:
                _fail(f"{self.host.name}: nothing kept, the deploy did not call connectors.bake.describe")
            return  # `exec` or a single operation: a look at the image, nothing to keep
        with progress_spinner({"docker commit"}):
            image_id = self._must("commit", *image.commit_changes(), self.container_id)
        for tag in image.tags:
            self._must("tag", image_id, tag)
        size = int(self._must("image", "inspect", "--format", "{{.Size}}", image_id))
        logger.info(f"{self.host.print_prefix}baked {', '.join(image.tags)} ({size / 1e6:.0f} MB)")

    def _remove(self) -> None:
        """Remove the container, in whatever state the run left it. Does nothing the second time."""
        atexit.unregister(self._remove)
        if self._starting and self._starting.poll() is None:
            self._starting.terminate()
            self._starting.wait()
        status, _, error = self._docker("rm", "--force", "--volumes", self.container_id)
        if status != 0 and "No such container" not in error:
            logger.warning(f"container {self.container_id} is left behind: {error}")

    def _must(self, *arguments: str) -> str:
        status, output, error = self._docker(*arguments)
        if status != 0:
            _fail(f"{self.host.name}: docker {arguments[0]} failed: {error}")
        return output

    def _docker(self, *arguments: str, stdout: Any = PIPE, starting: bool = False) -> tuple[int, str, str]:
        """Run the client: its exit status, its output, and the last line of its errors that is not a hint."""
        command = [*shlex.split(self.docker_cmd), *arguments]
        try:
            process = Popen(
                command, stdout=stdout, stderr=PIPE
            )  # gevent reads text strictly, and the bytes are anybody's
        except OSError as error:
            return 127, "", f"{command[0]}: {error.strerror} (the variable DOCKER names the client)"
        if starting:
            self._starting = process
        output, errors = ((text or b"").decode(errors="replace") for text in process.communicate())
        said = [line for line in errors.splitlines() if line.strip() and not line.startswith(_HINTS)]
        return process.returncode, output.strip(), brief(said[-1]) if said else ""


def _exit_on_signals(state: State) -> None:
    """End on Ctrl-C with exit status 130, where pyinfra has 0, and clean up after a SIGTERM as well."""

    def leave(number: int, _: FrameType | None) -> NoReturn:
        logger.warning("interrupted: nothing is kept")
        # An operation that is running would keep the only place in the pool that leaving the host needs.
        state.pool.kill(block=False)
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)


def _fail(message: str) -> NoReturn:
    # pyinfra lets a greenlet's error through to click, which prints this kind in one line; gevent, not told,
    # would print a traceback first.
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, BakeError)
    raise BakeError(brief(message))
