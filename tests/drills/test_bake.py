"""A build whose models cannot be had leaves no image, and says of each file why."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from spec.application import PROFILES
from tests.e2e.machine import docker, pyinfra

ORIGIN = "http://models.invalid"
CONTENTS = {name: name.encode() * 5000 for name in ("good", "missing", "wrong")}


@dataclass(kw_only=True)
class Hub:
    """A model server of this test's own; what is in `contents` is what it has at the moment."""

    port: int
    contents: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """The server, on this machine's loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = found.contents.get(self.path.strip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Hub(port=server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


@dataclass(frozen=True, kw_only=True)
class Program:
    """A profile of one's own, and the repository its images are tagged in."""

    profile: Path
    repository: str

    def bake(self, base: str, hub: Hub) -> tuple[int, str]:
        """Status and output of baking its models onto `base`, which has everything else."""
        values = {"application": self.profile, "layers": "programs,models", "repository": self.repository}
        values |= {"mirrors": f"{ORIGIN}=http://127.0.0.1:{hub.port}", "docker_run_args": '["--network", "host"]'}
        data = [word for key, value in values.items() for word in ("--data", f"{key}={value}")]
        done = pyinfra(f"@bake/{base}", "deploy.py", "-y", *data, timeout=300)
        return done.returncode, done.stderr

    def images(self) -> set[str]:
        """The ids of everything its bakes left, untagged ones too."""
        of = f"label=org.visomaster.application={self.profile.stem}"
        return set(docker("image", "ls", "--all", "--quiet", "--no-trunc", "--filter", of).split())

    def latest(self) -> str:
        """The id behind its moving tag."""
        return docker("image", "inspect", "--format", "{{.Id}}", f"{self.repository}:latest")


@pytest.fixture
def program(tmp_path: Path, baked: str) -> Iterator[Program]:
    """The sandbox's program with three models of its own; an older image of it is there, and is removed at the end."""
    name = f"drill-{uuid4().hex[:12]}"
    files = [
        {
            "path": f"model_assets/{model}.onnx",
            "url": f"{ORIGIN}/{model}",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "group": "required",
        }
        for model, content in CONTENTS.items()
    ]
    (tmp_path / "models.json").write_text(json.dumps({"schema": 1, "files": files}), encoding="utf-8")
    profile = tmp_path / f"{name}.toml"
    text = (PROFILES / "sandbox.toml").read_text(encoding="utf-8")
    profile.write_text(text.replace("models/sandbox.json", "models.json"), encoding="utf-8")
    docker("tag", baked, f"{name}:latest")
    yield Program(profile=profile, repository=name)
    for tag in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", name).split():
        docker("image", "rm", tag)


def containers() -> set[str]:
    """The containers of bakes; others may run at the same time."""
    return set(docker("ps", "--all", "--quiet", "--filter", "name=^bake-").split())


def test_models_that_cannot_be_had_leave_no_image(program: Program, hub: Hub, baked: str) -> None:
    """Both files are named with their reasons, the old image keeps the tag; with the files there is a new one."""
    old, before = program.latest(), containers()
    hub.contents = {"good": CONTENTS["good"], "wrong": bytes(len(CONTENTS["wrong"]))}
    status, output = program.bake(baked, hub)
    assert status == 1, output
    assert "Traceback" not in output
    for said in ("missing.onnx: 404 Not Found from http://127.0.0.1:", "wrong.onnx: its sha256 is "):
        assert f"visomaster-fetch: model_assets/{said}" in output
    assert "visomaster-fetch: model_assets/good.onnx" not in output
    assert (program.latest(), program.images()) == (old, set())
    assert containers() <= before

    hub.contents = CONTENTS
    status, output = program.bake(baked, hub)
    assert status == 0, output
    assert program.latest() != old and program.images() == {program.latest()}
