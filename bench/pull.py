"""Pull an image of real size: its environment as one layer and as several, packed with gzip and with zstd.

python -m bench.pull fill      # the images, and a registry that has them: 15 minutes, goes on where it was cut off
python -m bench.pull pull      # one more round; say it as often as there is time for
python -m bench.pull write     # bench/results/pull.md, and everything is removed
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox import assets, base, desktop
from sandbox.engine import docker_command
from spec.here import ROOT
from tests.drills.runner import NEEDS
from tests.e2e.machine import docker

PROFILE = "real_size"
NAME = "visomaster-bench-pull"
IMAGE = "visomaster-bench/environment"
LAYOUTS = {"one": 1, "three": 3}
"""How many layers the environment has."""
PACKED = ("gzip", "zstd")
LINES = {"near": 5000, "50 MB/s a connection": 5001}
STATE = ROOT / ".state/bench-pull.jsonl"
RESULTS = ROOT / "bench/results/pull.md"
SLOW = """
server { listen 127.0.0.1:5001; proxy_http_version 1.1; proxy_buffering off; client_max_body_size 0;
location / { limit_rate 50m; proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:5000; } }
"""
READY_WITHIN = 60
HOW = """\
- The environment is VisoMaster's for CUDA 12.4 (`bench/real_size.toml`), from PyPI, on the Dockerfile's base layer.
  `one` has the same files in one layer, as images used to; the layers of `three` are CUDA's libraries with Conda's
  packages, torch, the rest.
- The registry is Debian's on the loopback of a machine in a container, asked by that machine's Docker 26.1 with the
  overlay2 store. Lines: nothing but the disk; and 50 MB/s for each connection, as of a registry far away.
- Each round pulls every image once over each line, in an order of its own; before each, all that the engine has is
  removed. `docker pull` says that it is done when everything is unpacked.
"""


@dataclass(frozen=True, kw_only=True)
class Pull:
    """One pull: seconds, and the machine's load before it."""

    layout: str
    packed: str
    line: str
    seconds: float
    load: float


def inside(*words: str, timeout: float = 900) -> str:
    """What a command on the machine in the container prints."""
    return docker("exec", NAME, *words, timeout=timeout)


def fill() -> None:
    """Start the machine, make the images, and give its registry all four: what is there already stays."""
    if not docker("ps", "--quiet", f"--filter=name={NAME}"):
        runner = base.derived_image("runner", "trixie")
        docker("run", "--detach", f"--name={NAME}", *NEEDS, "--volume=/var/run/docker.sock:/outer.sock", runner)
        wait(lambda: inside("docker", "info"))
        inside("sh", "-c", "apt-get -qq update && apt-get -qq install -y --no-install-recommends skopeo >/dev/null")
        inside("sh", "-c", f"echo '{SLOW}' >/etc/nginx/conf.d/slow.conf && systemctl restart nginx")
    have = inside("ls", "/var/lib/docker-registry")
    if any(f"{layout}-gzip.done" not in have for layout in LAYOUTS):
        build()
    for layout, packed in ((layout, packed) for layout in LAYOUTS for packed in PACKED):
        if f"{layout}-{packed}.done" not in have:
            begun = time.monotonic()
            inside("sh", "-c", copy_command(layout, packed))
            print(f"{layout}, {packed}: in the registry after {time.monotonic() - begun:.0f} s", flush=True)


def copy_command(layout: str, packed: str) -> str:
    """How an image comes to the registry: from this machine's engine, or packed anew from there, by way of a folder,
    since a layer that the registry has is not packed again."""
    here, there = f"oci:$PWD/anew:{layout}", f"--dest-tls-verify=false docker://{address(layout, packed)}"
    if packed == PACKED[0]:
        engine = f"--format=oci --src-daemon-host=unix:///outer.sock docker-daemon:{IMAGE}:{layout}"
        copy = f"skopeo copy --quiet {engine} {there}"
    else:
        gzip = f"--src-tls-verify=false docker://{address(layout, PACKED[0])}"
        copy = (
            f"skopeo copy --quiet --dest-compress-format={packed} {gzip} {here} && rm -rf /var/lib/containers/cache"
            f" && skopeo copy --quiet {here} {there} && rm -rf anew"
        )
    return f"cd /var/lib/docker-registry && export TMPDIR=$PWD && {copy} && touch {layout}-{packed}.done"


def address(layout: str, packed: str, line: str = "near") -> str:
    """Where an image is, over a line."""
    return f"127.0.0.1:{LINES[line]}/environment:{layout}-{packed}"


def build() -> None:
    """The environment by the Dockerfile, and the same files as one layer, unless they are there."""
    have = docker("images", "--format={{.Tag}}", IMAGE).split()
    if set(LAYOUTS) <= set(have):
        return
    assets.up()
    with tempfile.TemporaryDirectory() as name:
        context = Path(name, "context")
        shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".git", ".venv", ".cache", "__pycache__"))
        shutil.copy(ROOT / f"bench/{PROFILE}.toml", context / "VisoMaster")
        text, on = rendered(context), f"BASE={base.base_image('bookworm')}"
        if "three" not in have:
            data = f"DATA=--data mirrors={desktop.mirrors(assets.url())}"
            by_file(context, text, "three", "--network=host", "--target=environment", *arguments(data, on))
        lowest = text[: text.index("\nFROM base AS playbook")]
        by_file(context, f"{lowest}\nCOPY --from={IMAGE}:three /opt/conda /opt/conda\n", "one", *arguments(on))


def arguments(*given: str) -> list[str]:
    """Options for the builder's arguments."""
    return [f"--build-arg={one}" for one in given]


def rendered(context: Path) -> str:
    """The Dockerfile of the profile, as the copy of the repository in `context` has it."""
    path = os.pathsep.join([str(context), str(context / "files/usr/local/lib/visomaster")])
    command = [sys.executable, "-B", "-m", "layers.dockerfile", PROFILE]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=context, env=environment, capture_output=True, text=True, check=True).stdout


def by_file(context: Path, text: str, layout: str, *options: str) -> None:
    """Build an image of `text`."""
    command = [docker_command(), "build", "--file=-", f"--tag={IMAGE}:{layout}", *options, "."]
    subprocess.run(command, cwd=context, input=text, text=True, check=True, env={**os.environ, "DOCKER_BUILDKIT": "1"})


def pull() -> None:
    """One round: every image over every line, in an order of its own; what a round cut off has left comes first."""
    STATE.parent.mkdir(parents=True, exist_ok=True)
    STATE.touch()
    found = [_key(one) for one in measured()]
    wanted = [(layout, packed, line) for layout in LAYOUTS for packed in PACKED for line in LINES]
    random.shuffle(wanted)
    wanted.sort(key=found.count)
    for layout, packed, line in wanted:
        inside("sh", "-c", "docker system prune --all --force --volumes >/dev/null; sync")
        load, begun = os.getloadavg()[0], time.monotonic()
        inside("docker", "pull", "--quiet", address(layout, packed, line))
        one = Pull(layout=layout, packed=packed, line=line, seconds=time.monotonic() - begun, load=load)
        print(f"{layout:6}{packed:6}{line:24}{one.seconds:6.1f} s  load {load:.1f}", flush=True)
        with STATE.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(one))}\n")


def measured() -> list[Pull]:
    """The pulls of all rounds so far."""
    return [Pull(**json.loads(line)) for line in STATE.read_text(encoding="utf-8").splitlines()]


def write() -> None:
    """The page of results, after which nothing is left of what was made."""
    pulls = measured()
    sizes = {(layout, packed): layer_sizes(layout, packed) for layout in LAYOUTS for packed in PACKED}
    RESULTS.write_text(report(pulls, sizes), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))
    docker("rm", "--force", "--volumes", NAME)
    for image in docker("images", "--quiet", IMAGE).split():
        docker("rmi", "--force", image)
    STATE.unlink()


def layer_sizes(layout: str, packed: str) -> list[int]:
    """Bytes of each layer, as the registry has them."""
    image = f"docker://{address(layout, packed)}"
    manifest = json.loads(inside("skopeo", "inspect", "--raw", "--tls-verify=false", image))
    assert all(layer["mediaType"].endswith(packed) for layer in manifest["layers"]), manifest
    return [layer["size"] for layer in manifest["layers"]]


def report(pulls: Sequence[Pull], sizes: dict[tuple[str, str], list[int]]) -> str:
    """The page: how it was measured, and the tables."""
    loads = [one.load for one in pulls]
    rounds = sum(_key(one) == _key(pulls[0]) for one in pulls)
    lines = [
        "# Pulling the environment, as one layer and as three\n",
        f"- `python -m bench.pull fill`, `pull`, `write`, {time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores,"
        f" which others used too: load {min(loads):.1f} to {max(loads):.1f} before a pull. Medians of {rounds}"
        f" interleaved rounds, the least and the most in brackets.\n{HOW}",
        "| environment | packed | MB | of which its layers |\n| --- | --- | --- | --- |",
    ]
    for (layout, packed), found in sizes.items():
        own = [f"{size / 1e6:.0f}" for size in found[-LAYOUTS[layout] :]]
        lines.append(f"| {layout} | {packed} | {sum(found) / 1e6:.0f} | {', '.join(own)} |")
    lines += [f"\n| seconds to pull | {' | '.join(LINES)} |\n|{' --- |' * (len(LINES) + 1)}"]
    for layout, packed in sizes:
        cells = [_seconds([one.seconds for one in pulls if _key(one) == (layout, packed, line)]) for line in LINES]
        lines.append(f"| {layout}, {packed} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _key(one: Pull) -> tuple[str, str, str]:
    return one.layout, one.packed, one.line


def _seconds(values: Sequence[float]) -> str:
    if not values:
        return "not measured"
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def wait(asked: Callable[[], object]) -> None:
    """Wait until a question is answered."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            asked()
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def main() -> int:
    """Take one of the steps."""
    parser = argparse.ArgumentParser(prog="python -m bench.pull", description=__doc__)
    parser.add_argument("step", choices=["fill", "pull", "write"])
    {"fill": fill, "pull": pull, "write": write}[parser.parse_args().step]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
