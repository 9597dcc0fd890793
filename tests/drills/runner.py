"""GitHub's runner as a container, for the steps of `.github/workflows/image.yml` just as they are written there.

What differs from GitHub's: the machine is Debian 13 with Debian's engine; the checkout is a clone of the last commit;
and Docker Hub is a registry in that machine, under Docker Hub's name, with one account and no limits: everybody reads,
the account writes. It holds the two images that a build fetches from the real one, with digests of their own:
`debian:bookworm-slim`, which is the sandbox's base image here, and BuildKit's SBOM scanner, whose stand-in lists the
packages of dpkg alone.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from sandbox import base
from sandbox.engine import docker_command
from spec.here import ROOT
from tests.e2e.machine import Container, container, docker, run

WORKFLOW = ROOT / ".github/workflows/image.yml"
ACCOUNT = "someone"
CHECKOUT = "/home/runner/visomaster"
SUMMARY = "/home/runner/summary.md"
BOOT_WITHIN = 60
STEP_WITHIN = 600

# What systemd and an engine need. Not `--privileged`: that gives every capability, and some machines have not all.
NEEDS = (
    *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--cgroupns=private", "--device-cgroup-rule=a *:* rwm"),
    *(
        "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined",
        "--security-opt=systempaths=unconfined",
    ),
    *("--tmpfs=/run", "--tmpfs=/run/lock", "--env=container=docker"),
    # An overlay cannot be stacked on a container's own one.
    *("--volume=/var/lib/docker", "--volume=/var/lib/containerd", "--volume=/var/lib/docker-registry"),
    "--add-host=registry-1.docker.io:127.0.0.1",
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One `run` of the workflow with the environment of its job and its own."""

    command: str
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Runner(Container):
    """A runner with its checkout; `token` is the account's at its Docker Hub, `settings` the drill's own variables."""

    token: str
    settings: Mapping[str, str]

    def steps(self, variant: str) -> list[Step]:
        """What the workflow runs to publish `variant`."""
        values = {
            "inputs.variant": variant,
            "inputs.compression": "gzip",
            "secrets.DOCKERHUB_USERNAME": ACCOUNT,
            "secrets.DOCKERHUB_TOKEN": self.token,
        }

        def expanded(environment: Mapping[str, str]) -> dict[str, str]:
            expression = re.compile(r"\$\{\{ (\S+) \}\}")
            return {key: expression.sub(lambda found: values[found[1]], text) for key, text in environment.items()}

        job = yaml.safe_load(WORKFLOW.read_text())["jobs"]["image"]
        return [
            Step(command=step["run"], environment=expanded({**job["env"], **step.get("env", {})}))
            for step in job["steps"]
            if "run" in step
        ]

    def does(self, step: Step) -> str:
        """Run a step as GitHub does; all it prints. Fails the test when it fails."""
        variables = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": SUMMARY, **self.settings, **step.environment}
        return self.bash(step.command, variables)

    def bash(self, command: str, variables: Mapping[str, str] | None = None) -> str:
        """What a command of the runner's user prints in the checkout, its errors with it."""
        options = ["--user=runner", f"--workdir={CHECKOUT}"]
        options += [f"--env={name}={value}" for name, value in (variables or {}).items()]
        words = [docker_command(), "exec", *options, self.name, "bash", "-ec", f"exec 2>&1\n{command}"]
        begun = time.monotonic()
        done = run(words, timeout=STEP_WITHIN)
        print(f"{time.monotonic() - begun:4.0f} s  {command}")
        assert done.returncode == 0, f"{command}: {done.stdout[-5000:]}"
        return done.stdout


@contextmanager
def github_runner(folder: Path, settings: Mapping[str, str]) -> Iterator[Runner]:
    """A runner that has checked out this repository's last commit, by way of the empty `folder`; removed at the end."""
    with container(base.derived_image("runner", "trixie"), *NEEDS) as box:
        runner = Runner(name=box.name, token=secrets.token_urlsafe(), settings=settings)
        runner = replace(runner, settings={**settings, **_fill_hub(runner)})
        # Not a clone of the folder itself: that would link its files, and its depth would not count.
        assert run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", folder]).returncode == 0
        docker("cp", str(folder), f"{runner.name}:{CHECKOUT}")
        runner.output("chown", "--recursive", "runner:", CHECKOUT)
        yield runner


def _fill_hub(runner: Runner) -> dict[str, str]:
    """Open the account, and push what the real Docker Hub has; the settings that name it by digest. The engine has its
    first image store here: nothing of this is seen by the one that `make runner` turns on."""
    runner.output("htpasswd", "-Bbc", "/etc/docker/registry/htpasswd", ACCOUNT, runner.token)
    deadline = time.monotonic() + BOOT_WITHIN
    while (login := runner.run("docker", "login", f"--username={ACCOUNT}", f"--password={runner.token}")).returncode:
        assert time.monotonic() < deadline, login.stderr + runner.run("journalctl", "--no-pager").stdout[-3000:]
        time.sleep(0.5)
    images = {
        base.base_image("bookworm"): ("BASE", "debian:bookworm-slim"),
        base.derived_image("sbom-scanner", "bookworm"): ("SCANNER", "docker/buildkit-syft-scanner:stable-1"),
    }
    client = docker_command()
    load = f"{client} save {' '.join(images)} | {client} exec --interactive {runner.name} docker load"
    loaded = run(["bash", "-o", "pipefail", "-c", load])
    assert loaded.returncode == 0, loaded.stderr
    pinned = {}
    for image, (setting, name) in images.items():
        runner.output("docker", "tag", image, name)
        (digest,) = re.findall(r"digest: (sha256:[0-9a-f]{64})", runner.output("docker", "push", name))
        pinned[setting] = f"{name}@{digest}"
    runner.output("docker", "logout")
    return pinned
