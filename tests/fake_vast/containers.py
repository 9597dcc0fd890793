"""A rented machine as a container of this machine's engine, launched as the platform does in its SSH mode."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.engine import docker_command
from tests.e2e.machine import LABEL, ROOT, docker, run
from tests.portal.rig import free_port

LAUNCH = ROOT / "tests/drills/launch.sh"
GPU_FAILS = "/root/gpu-fails"
"""There where the host tests are to fail."""


class ContainerMachine:
    """A container of what `image` makes of the image that was asked for; `folder` has its on-start script.

    `options` are more options of `docker run`. What is asked for to be published is, on loopback.
    """

    address = "127.0.0.1"

    def __init__(self, folder: Path, image: Callable[[str], str], *options: str) -> None:
        self._folder, self._image, self._options = folder, image, options
        self._ports: dict[int, int] = {}
        self._keys: list[str] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self.name = ""
        self.failed = ""

    def start(self, number: int, asked: Mapping[str, Any], api_key: str) -> None:
        """Run it, or run it again, in the background."""
        work = self._again if self.name else lambda: self._run(number, asked, api_key)
        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def _again(self) -> None:
        run([docker_command(), "start", self.name])

    def _run(self, number: int, asked: Mapping[str, Any], api_key: str) -> None:
        given = dict(asked.get("env") or {})
        published = [int(found[1]) for key in given if (found := re.match(r"-p \d+:(\d+)", key))]
        self._ports = {port: free_port() for port in (22, *published)}
        variables = {key: value for key, value in given.items() if not key.startswith("-p ")}
        variables |= {"CONTAINER_ID": str(number), "VAST_CONTAINERLABEL": f"C.{number}", "CONTAINER_API_KEY": api_key}
        variables |= {"SSH_PUBLIC_KEY": "\n".join(self._keys), "PUBLIC_IPADDR": self.address}
        variables |= {f"VAST_TCP_PORT_{inner}": str(outer) for inner, outer in self._ports.items()}
        script = self._folder / f"onstart-{number}.sh"
        script.write_text(f"#!/bin/bash\n{asked.get('onstart', '')}\n")
        options = [f"--env={name}={value}" for name, value in variables.items()]
        options += [f"--publish=127.0.0.1:{outer}:{inner}" for inner, outer in self._ports.items()]
        options += [f"--volume={script}:/root/onstart.sh:ro", f"--volume={LAUNCH}:/.launch:ro", "--entrypoint=/.launch"]
        image = self._image(str(asked["image"]))
        made = run([docker_command(), "run", "--detach", f"--label={LABEL}=1", *options, *self._options, image, "ssh"])
        self.name, self.failed = made.stdout.strip()[:12], made.stderr

    def ports(self) -> dict[str, list[dict[str, str]]] | None:
        """Its ports, once sshd greets; after `close_ssh` at once."""
        if not self.name or not (self._closed or self._greets()):
            return None
        return {f"{inner}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(outer)}] for inner, outer in self._ports.items()}

    def _greets(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.address, self._ports[22]), timeout=1) as line:
            return line.recv(4) == b"SSH-"
        return False

    def attach(self, public_key: str) -> None:
        """One more key: at the creation from the environment, later into the file."""
        self._keys.append(public_key.strip())
        if self.name:
            line = f"{public_key.strip()}\n"
            command = [docker_command(), "exec", "-i", self.name, "tee", "-a", "/root/.ssh/authorized_keys"]
            run(command, input=line)

    def fail_host_test(self) -> None:
        """Say so in a file."""
        run([docker_command(), "exec", self.name, "touch", GPU_FAILS])

    def close_ssh(self) -> None:
        """No sshd, while it runs."""
        self._closed = True
        run([docker_command(), "exec", self.name, "pkill", "-x", "sshd"])

    def stop(self) -> None:
        """Stop the container; what it wrote stays."""
        self._join()
        if self.name:
            docker("stop", "--time=2", self.name)

    def destroy(self) -> None:
        """Remove it with its volumes; what is not there any more is gone."""
        self._join()
        if self.name:
            run([docker_command(), "rm", "--force", "--volumes", self.name])

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(120)
