"""A rented box whose user is hostile: what they do to it, what root does on it meanwhile, and what came of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from visomaster_host import paths, users

from sandbox import desktop
from sandbox.engine import docker_command
from spec.here import ROOT
from tests.drills.live import LiveBox, new_key
from tests.drills.notebook import KERNEL, RUNNER, kernel_options
from tests.e2e.machine import BIN, container, forget_host_key, pyinfra, run
from tests.portal.rig import free_port

EXCHANGER = Path(__file__).with_name("exchange.py")
STORE = f"{paths.WORKSPACE}/models"
"""MODELS_DIR of these boxes: a volume's place, so a folder of the user's."""

MODEL_LINKS = f"{paths.PROGRAM}/model_assets"
CANARY = "/root/canary"
LONG_AGO = "2020-01-01"
ASIDE = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/log", "/var/tmp", CANARY)
ASIDE += ("/root/.ssh", "/root/.cache", "/root/.ipython", "/root/.ansible", "/root/.pyinfra")
"""Where any run leaves something, or nothing stays."""

SSHD = """
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends openssh-server >/dev/null
mkdir -p /run/sshd /root/.ssh
ssh-keygen -A >/dev/null
echo "$1" >/root/.ssh/authorized_keys
"""

ANOTHER_COMMIT = """
import hashlib, pathlib, zlib
git = pathlib.Path(".git")
head = (git / "HEAD").read_text().strip()
tree = zlib.decompress((git / "objects" / head[:2] / head[2:]).read_bytes()).split(b"\\0", 1)[1].splitlines()[0]
body = tree + b"\\nauthor x <x> 0 +0000\\ncommitter x <x> 0 +0000\\n\\nx\\n"
other = b"commit %d\\0" % len(body) + body
name = hashlib.sha1(other).hexdigest()
place = git / "objects" / name[:2] / name[2:]
place.parent.mkdir(exist_ok=True)
place.write_bytes(zlib.compress(other))
(git / "HEAD").write_text(name + "\\n")
"""
"""What `git commit` does, on a host without git."""

SPOIL = f"""
cd {paths.PROGRAM}
echo >>{paths.GUIDE}
rm -f model_assets/*.onnx model_assets/*/*.onnx
rm -f {STORE}/.verified.json
printf damaged | dd of={STORE}/face_parser.onnx bs=1 seek=1000 conv=notrunc
rm -rf {STORE}/liveportrait_onnx {paths.DEPENDENCIES}/*
sed -i /Install_Guide/d .git/info/exclude
python3 - <<'END'
{ANOTHER_COMMIT}END
"""
"""What the user does so that root has something to repair in each of their folders."""

OLDER = "echo >>/usr/local/share/visomaster/portal/login.html"
"""A host of an older playbook."""

CELLS = (
    "cd $(dirname $(readlink -f {guide})) && env PYTHONPATH={kernel} HOME=/root PYTHONDONTWRITEBYTECODE=1 "
    "python3 /opt/{runner} $(readlink -f {guide}) {cells}"
)


@dataclass(frozen=True, kw_only=True)
class HostileBox(LiveBox):
    """A box with a hostile user; `asset_server` is where its files come from."""

    asset_server: str

    def as_user(self, command: str, folder: str = "/") -> subprocess.CompletedProcess[str]:
        """Something the user does: it may fail."""
        return run(
            [docker_command(), "exec", f"--user={users.DESKTOP}", f"--workdir={folder}", self.name, "sh", "-c", command]
        )

    def spoil(self) -> None:
        """Have something to do for every operation and repair."""
        self.as_user(SPOIL)
        self.output("sh", "-c", OLDER)

    def deploy(self, *pairs: str) -> subprocess.CompletedProcess[str]:
        """The deploy as a person runs it."""
        return pyinfra(*self.arguments(self.asset_server, "variant=s-def", *pairs), timeout=120)

    def verify(self) -> subprocess.CompletedProcess[str]:
        """The host tests, over SSH."""
        spec = (f"--hosts=paramiko://root@127.0.0.1:{self.port}", f"--ssh-identity-file={self.key}")
        return run([BIN / "python", "-m", "pytest", "tests/host", *spec, "-q"], cwd=ROOT, timeout=120)

    def cells(self, *cells: str) -> subprocess.CompletedProcess[str]:
        """Cells of the guide (all without any) in a kernel of root's, started where the guide is."""
        words = CELLS.format(guide=str(paths.GUIDE), kernel=KERNEL, runner=RUNNER.name, cells=" ".join(cells))
        return self.ssh(words, timeout=120)

    @contextmanager
    def attacked(
        self, links: Mapping[str, str], folders: Mapping[str, str], weights: Mapping[str, int]
    ) -> Iterator[dict[str, int]]:
        """The user exchanging things for links; afterwards how often. See `exchange.py`."""
        plan = {"links": dict(links), "folders": dict(folders), "weights": dict(weights), "emptied": [MODEL_LINKS]}
        words = [docker_command(), "exec", "--interactive", f"--user={users.DESKTOP}", self.name]
        program = [*words, "python3", "-c", EXCHANGER.read_text(encoding="utf-8")]
        counts: dict[str, int] = {}
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as attacker:
            assert attacker.stdin and attacker.stdout
            attacker.stdin.write(json.dumps(plan) + "\n")
            attacker.stdin.flush()
            yield counts
            attacker.stdin.close()
            counts.update(json.loads(attacker.stdout.read()))

    def lay_canaries(self, folders: list[str]) -> None:
        """Below CANARY, of root's: everything of the user's by its own path, as small files that were never read."""
        script = f"""
        mkdir -p {CANARY}
        cp -r --attributes-only --no-dereference --parents {" ".join(folders)} {CANARY}
        find {CANARY} -type l -delete
        find {CANARY} -type f -exec truncate -s 7 {{}} + -exec touch -a -d {LONG_AGO} {{}} +
        """
        self.output("sh", "-euc", script)
        self.output("chown", "-R", "root:root", CANARY)

    def canaries(self) -> dict[str, str]:
        """Each canary by path: kind, owner, mode, links, size, times of change; of a file also when it was read."""
        common = "%p\\t%y %u:%g %m links=%n size=%s written=%T@ changed=%C@"
        found = self.output(
            "find", CANARY, "-type", "f", "-printf", f"{common} read=%A@\\n", "-o", "-printf", f"{common}\\n"
        )
        return dict(line.split("\t") for line in found.splitlines())

    def owned(self, *users: str) -> dict[str, str]:
        """Everything outside the `users` folders and of what any run changes, by path whose it is."""
        prune = [word for path in (*ASIDE, *users) for word in ("-path", path, "-o")][:-1]
        found = self.output("find", "/", "-xdev", "(", *prune, ")", "-prune", "-o", "-printf", "%p\\t%u:%g %m\\n")
        return dict(line.split("\t") for line in found.splitlines())


@contextmanager
def hostile_box(folder: Path, asset_server: str) -> Iterator[HostileBox]:
    """A container of the image with everything at first start, in which nothing runs yet; root's key opens it."""
    image, key, port = desktop.bake("s-def"), new_key(folder), free_port()
    forget_host_key(port)
    given = {"VISOMASTER_MIRRORS": desktop.mirrors(asset_server), "MODELS_DIR": STORE}
    options = [f"--publish=127.0.0.1:{port}:22", "--entrypoint=sleep", *kernel_options()]
    options += [f"--env={name}={value}" for name, value in given.items()]
    with container(image, *options, command=("infinity",)) as box:
        box.output("sh", "-euc", SSHD, "sshd", key.with_suffix(".pub").read_text().strip())
        yield HostileBox(name=box.name, port=port, key=key, asset_server=asset_server)


def phases(box: HostileBox, own: Path) -> dict[str, Callable[[], subprocess.CompletedProcess[str]]]:
    """What root does on a host in its life, by name. `own` is a folder with a program of somebody's own."""
    return {
        "start": lambda: box.ssh("visomaster-start"),
        "ready": lambda: box.ssh("visomaster-ready --wait 100", timeout=110),
        "fetch": lambda: box.ssh("visomaster-fetch --verify"),
        "again": lambda: box.ssh("visomaster-start && visomaster-credentials --json"),
        "guide": box.cells,
        "deploy": box.deploy,
        "repair": box.cells,
        "verify": box.verify,
        "own": lambda: box.deploy("layers=application", f"source={own}"),
    }
