"""The files for engines are what the table of variants says, and the engines' own code takes them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from visomaster_host import paths
from visomaster_host.choices import Access, ModelsAt
from visomaster_host.refusals import CAPABILITIES

from fleet.__main__ import main
from fleet.rendered import EXAMPLE, FILE, SECRET, Engine, fleet
from sandbox import tools
from spec.here import ROOT
from spec.published import HEALTHCHECK
from spec.variant import VARIANTS

ENGINES = Path(__file__).with_name("engines.py")
REPOSITORY = "somebody/visomaster"


def told(engine: Engine, variant: str) -> list[dict[str, Any]]:
    """The documents of a file."""
    return list(yaml.safe_load_all(fleet(variant, REPOSITORY).file(engine)))


def of_kind(variant: str, kind: str) -> list[dict[str, Any]]:
    """The documents of a kind in Kubernetes' file."""
    return [document for document in told(Engine.KUBERNETES, variant) if document["kind"] == kind]


def container(variant: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod of the one Deployment, and its one container."""
    (deployment,) = of_kind(variant, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (found,) = pod["containers"]
    return pod, found


@pytest.mark.parametrize("engine", Engine)
def test_what_is_kept_here_is_what_is_rendered(engine: Engine) -> None:
    assert (ROOT / "fleet" / FILE[engine]).read_text() == fleet(*EXAMPLE).file(engine), "make fleet"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], dict[str, str | None]]:
    """What the engines say of files, by their names; SkyPilot keeps things in the home folder."""
    home = tmp_path_factory.mktemp("home")

    def ask(files: dict[str, str]) -> dict[str, str | None]:
        words = [os.fspath(tools.engines()), "-I", os.fspath(ENGINES)]
        for number, (name, text) in enumerate(files.items()):
            (home / str(number)).write_text(text)
            words.append(f"{name.split()[0]}={home / str(number)}")
        quiet = {"HOME": str(home), "PATH": os.environ["PATH"], "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
        done = subprocess.run(words, capture_output=True, text=True, env=quiet, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return dict(zip(files, (json.loads(line)["error"] for line in done.stdout.splitlines()), strict=True))

    return ask


def test_the_engines_take_all_and_refuse_slips(asked: Callable[[dict[str, str]], dict[str, str | None]]) -> None:
    """Each by its own parser, which a misspelt or misplaced field does not pass."""
    good = {f"{engine} {name}": fleet(name, REPOSITORY).file(engine) for engine in Engine for name in VARIANTS}
    slips = {
        "kubernetes replicas": ("replicas: 1", "replica: 1"),
        "kubernetes probe": ("httpGet: {path: /health", "httpGet: {paht: /health"),
        "kubernetes port": ("containerPort: 11111", "containerPort: http"),
        "dstack count": ("    count: 1", "    counts: 1"),
        "dstack memory": ("memory: 16GB..", "memory: 16 parts.."),
        "dstack volume": ("    path: /workspace", "    path: workspace"),
        "skypilot accelerators": ("  accelerators:", "  accelerator:"),
        "skypilot disk": ("disk_size: 132", "disk_size: large"),
        "skypilot secrets": ("secrets:", "secret:"),
    }
    bad = {}
    for name, (right, wrong) in slips.items():
        text = fleet("alt", REPOSITORY).file(Engine(name.split()[0]))
        assert right in text
        bad[name] = text.replace(right, wrong)
    said = asked({**good, **bad})
    assert {name: said[name] for name in good} == dict.fromkeys(good)
    assert [name for name in bad if said[name] is None] == []


@pytest.mark.parametrize("name", VARIANTS)
def test_kubernetes_runs_one_desktop_of_the_variant(name: str) -> None:
    variant = VARIANTS[name]
    pod, desktop = container(name)
    (deployment,) = of_kind(name, "Deployment")
    (service,) = of_kind(name, "Service")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"} and deployment["spec"]["replicas"] == 1
    assert desktop["image"] == f"{REPOSITORY}:{variant.tags()[0]}"
    assert [port["containerPort"] for port in desktop["ports"]] == list(variant.ports)
    assert [port["port"] for port in service["spec"]["ports"]] == list(variant.ports)
    assert service["spec"]["type"] == "ClusterIP" and service["spec"]["publishNotReadyAddresses"]
    assert desktop["resources"]["limits"]["nvidia.com/gpu"] == 1
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert not pod["automountServiceAccountToken"]
    assert desktop["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": sorted(CAPABILITIES)},
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_kubernetes_asks_for_health_and_readiness(name: str) -> None:
    _, desktop = container(name)
    health, ready = desktop["livenessProbe"], desktop["readinessProbe"]
    if VARIANTS[name].access is Access.PORTAL:
        port = VARIANTS[name].port
        assert health["httpGet"] == {"path": "/health", "port": port}
        assert ready["httpGet"] == {"path": "/ready", "port": port}
    else:
        assert health["exec"] == {"command": list(HEALTHCHECK.command)}
        assert ready["exec"] == {"command": [HEALTHCHECK.command[0]]}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_kept_is_on_volumes(name: str) -> None:
    """Work always, models where they are fetched at start; an engine that mounts something else has it at the same
    places.
    """
    wanted = {"workspace": str(paths.WORKSPACE)}
    if VARIANTS[name].models is ModelsAt.START:
        wanted["models"] = str(paths.MODELS)
    pod, desktop = container(name)
    mounts = {mount["name"]: mount["mountPath"] for mount in desktop["volumeMounts"]}
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert {volume: mounts[volume] for volume in claims} == wanted
    assert sorted(claims.values()) == sorted(
        document["metadata"]["name"] for document in of_kind(name, "PersistentVolumeClaim")
    )
    assert mounts["shm"] == "/dev/shm" and mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    (dstack,) = told(Engine.DSTACK, name)
    assert [volume["path"] for volume in dstack["volumes"]] == list(wanted.values())


@pytest.mark.parametrize("name", VARIANTS)
def test_no_secret_stands_in_a_file(name: str) -> None:
    """Each is named where the engine keeps it, and a command that makes it is in the file's head."""
    secret = SECRET[VARIANTS[name].access]
    pod, desktop = container(name)
    assert not of_kind(name, "Secret"), "applying it would replace the one that was made"
    (volume,) = (volume for volume in pod["volumes"] if "secret" in volume)
    assert volume["secret"] == {"secretName": f"visomaster-{name}", "defaultMode": 0o400}
    (mount,) = (mount for mount in desktop["volumeMounts"] if mount["name"] == volume["name"])
    assert desktop["env"] == [{"name": f"{secret.variable}_FILE", "value": f"{mount['mountPath']}/{secret.name}"}]
    (dstack,), (skypilot,) = told(Engine.DSTACK, name), told(Engine.SKYPILOT, name)
    assert dstack["env"] == [f"{secret.variable}=${{{{ secrets.{secret.name.replace('-', '_')} }}}}"]
    assert skypilot["secrets"] == {secret.variable: None} and "envs" not in skypilot
    for engine in Engine:
        assert f"openssl rand -hex {secret.random_bytes}" in fleet(name, REPOSITORY).file(engine)


def test_the_commands_in_their_heads_make_a_secret() -> None:
    """Without a line's end, of the length that a start takes."""
    for access, length in ((Access.VNC, 8), (Access.PORTAL, 32)):
        made = subprocess.run(["sh", "-c", SECRET[access].command], capture_output=True, text=True, check=True).stdout
        assert re.fullmatch(f"[0-9a-f]{{{length}}}", made)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["alt"], "fleet: expected VARIANT REPOSITORY [kubernetes|dstack|skypilot], got 1 words"),
        (["new", REPOSITORY], "variant: 'new' is unknown, expected one of default, alt, s-def, s-alt"),
        (["alt", "visomaster"], "repository: expected NAME/visomaster, as on Docker Hub, got 'visomaster'"),
        (["alt", "YOUR_NAME/visomaster"], "repository: YOUR_NAME stands for your own name at Docker Hub"),
        (["alt", "a: b\nc/d"], "repository: "),
        (["alt", REPOSITORY, "nomad"], "engine: 'nomad' is unknown, expected one of kubernetes, dstack, skypilot"),
    ],
)
def test_a_slip_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(said) and err.count("\n") == 1


def test_one_command_prints_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["s-def", REPOSITORY, "skypilot"]) == 0
    assert capsys.readouterr().out == fleet("s-def", REPOSITORY).file(Engine.SKYPILOT)
