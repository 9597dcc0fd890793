"""The peer of bench/apply.py: what its Ansible playbook is given, and how it is run."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.command import StringCommand
from visomaster_host import paths, users
from visomaster_host.host import parse_host
from visomaster_host.service import Service
from visomaster_host.services import services_for

from operations.cuda import BASE_IMAGE_FOLDERS, LOADER_CONFIGURATION
from operations.facts.bytecode import StaleBytecode
from operations.facts.checkout import CheckoutCommit
from operations.facts.conda import CondaEnvironment
from operations.facts.cuda import CudaLibraries
from operations.facts.models import ModelsComplete
from operations.facts.supervisor import PendingPrograms, ProgramFiles
from operations.facts.unpacked import UnpackedFiles
from operations.facts.uv import InstalledPackages
from operations.facts.wheels import WheelsMadeFrom
from operations.models import fetch_command
from sandbox.engine import docker, docker_command
from sandbox.shell import SandboxError, run, step
from spec.distribution import Release, package_names
from spec.here import FILES, GUIDE, TEMPLATES
from spec.packages import DESKTOP, SYSTEM, VNC
from spec.settings import Settings
from tasks.programs import ON_PATH
from tasks.services import started_from

HERE = Path(__file__).resolve().parent
PLAYBOOK = HERE / "apply_by_ansible.yml"
PINNED = ("ansible-core==2.19.14", "mitogen==0.3.54")
ARCHIVES = {
    "fluxbox": (str(paths.FLUXBOX), "."),
    "package": (str(paths.PACKAGE), "."),
    "commands": (str(paths.COMMANDS), "visomaster-*"),
    "pages": (str(paths.PORTAL_SHARE), "."),
    "front": (str(paths.FRONT_SHARE), "."),
}
"""Folders that go as one archive: the folder, and what of it."""


def ensure_ansible(folder: Path) -> Path:
    """A virtual environment in `folder` with Ansible and Mitogen, and nothing of this project's; its `bin`."""
    programs = folder / "bin"
    stamp = folder / "pinned"
    if not stamp.exists() or stamp.read_text() != " ".join(PINNED):
        with step(f"installing {' and '.join(PINNED)}"):
            venv.create(folder, with_pip=True, clear=True)
            run([programs / "pip", "install", "--quiet", *PINNED], timeout=600)
            stamp.write_text(" ".join(PINNED))
    return programs


def archives(box: str, folder: Path) -> None:
    """Take from `box`, which the project has configured, what Ansible is to bring to the others."""
    folder.mkdir(exist_ok=True)
    for name, (source, what) in ARCHIVES.items():
        command = [docker_command(), "exec", box, "sh", "-c", f"cd {source} && tar -c --exclude=__pycache__ {what}"]
        (folder / f"{name}.tar").write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    (folder / "host.json").write_text(docker("exec", box, "cat", str(paths.HOST)))


def variables(settings: Settings, folder: Path) -> Mapping[str, object]:
    """The playbook's variables, from the same tables as the deploy's; `folder` has the archives."""
    services = services_for(settings.variant.access, settings.variant.models)
    description = parse_host((folder / "host.json").read_text())
    names = {"system": (*SYSTEM, *settings.application.system), "desktop": DESKTOP, "access": VNC}
    return {
        "packages": {layer: package_names(wanted, Release.BOOKWORM) for layer, wanted in names.items()},
        "user": {"name": users.DESKTOP, "home": str(paths.HOME)},
        "folders": [{"path": path, "owner": "root"} for path in _root_folders()]
        + [{"path": str(paths.WORKSPACE), "owner": users.DESKTOP}],
        "profile": ON_PATH,
        "package": str(paths.PACKAGE),
        "archives": str(folder),
        "guide": str(GUIDE),
        "manifest": str(settings.application.manifest),
        "supervisord": str(FILES / "etc/visomaster/supervisord.conf"),
        "template": str(TEMPLATES / "etc/supervisor/conf.d/program.conf.j2"),
        "programs": [{"service": _as_shown(one), "made_from": started_from(one, description)} for one in services],
        "questions": _questions(settings),
    }


def _as_shown(service: Service) -> Mapping[str, object]:
    """What the template of supervisord's files takes, as JSON can carry it."""
    names = (*("name", "command", "priority", "autostart", "autorestart", "startsecs", "startretries", "stopwaitsecs"),)
    logs = {name: str(path) if (path := getattr(service, name)) else None for name in ("log", "error_log")}
    return {**{name: getattr(service, name) for name in names}, **logs}


def _root_folders() -> tuple[str, ...]:
    folders = (
        str(paths.APPLICATION),
        str(paths.MODELS),
        str(paths.DEPENDENCIES),
        str(paths.GUIDE.parent),
        str(paths.ETC),
        str(paths.SUPERVISOR_LOGS),
        str(paths.PORTAL_LOGS),
    )
    # Ansible's `unarchive` wants its folder to be there.
    return (*folders, *(folder for folder, _ in ARCHIVES.values()))


def _questions(settings: Settings) -> Mapping[str, object]:
    """What the project's operations ask of a host, as shell commands."""
    fetches = [fetch_command(str(paths.MANIFEST), link, settings.mirrors) for link in (False, True)]
    models, links = (_command(ModelsComplete(), fetch=fetch) for fetch in fetches)
    cuda = {"folders": (str(paths.ENVIRONMENT), *BASE_IMAGE_FOLDERS), "sonames": settings.accelerator.cuda_libraries}
    return {
        "desktop": [
            _command(WheelsMadeFrom(), folder=str(paths.FFMPEG)),
            _command(UnpackedFiles(), folder=str(paths.DESKTOP_UNPACKED)),
        ],
        "environment": [
            _command(CondaEnvironment(), prefix=str(paths.ENVIRONMENT), lock=str(paths.ENVIRONMENT_LOCK)),
            _command(InstalledPackages(), python=str(paths.PYTHON)),
            _command(CudaLibraries(), configuration=LOADER_CONFIGURATION, **cuda),
        ],
        "application": [
            f"test ! -e {paths.UNPACKED}",
            _command(CheckoutCommit(), path=str(paths.PROGRAM), user=users.DESKTOP),
        ],
        "bytecode": _command(StaleBytecode(), folder=str(paths.PACKAGE)),
        "models": models,
        "services": [
            links,
            _command(ProgramFiles(), folder=str(paths.SUPERVISOR_PROGRAMS), pattern=f"{paths.PROGRAM_PREFIX}*.conf"),
            _command(PendingPrograms()),
        ],
    }


def _command(fact: FactBase[Any], **arguments: object) -> str:
    command: StringCommand | str = fact.command(**arguments)
    raw = command.get_raw_value() if isinstance(command, StringCommand) else command
    # Ansible would read double braces as a template of its own.
    return f"{{% raw %}}{raw}{{% endraw %}}"


def write_inventory(folder: Path, boxes: Sequence[tuple[str, int]], key: Path, settings: Mapping[str, object]) -> Path:
    """Ansible's inventory of `boxes` (address, port)."""
    inventory = folder / "hosts.json"
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_python_interpreter": str(paths.SYSTEM_PYTHON),
        **settings,
    }
    hosts = {f"box{i}": {"ansible_host": host, "ansible_port": port} for i, (host, port) in enumerate(boxes)}
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
    return inventory


def environment(programs: Path, folder: Path, forks: int, *, mitogen: bool) -> dict[str, str]:
    """Ansible's settings: pipelining, every host at once, a connection of its own for each run (`folder`)."""
    found = {
        "ANSIBLE_FORKS": str(forks),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=20s -o UserKnownHostsFile=/dev/null",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
    }
    if mitogen:
        (plugins,) = programs.parent.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy")
        found |= {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
    return found


def changes(output: str, boxes: int) -> int:
    """How many tasks changed something, from the recap. Raises SandboxError when a host failed."""
    recap = output.partition("PLAY RECAP")[2]
    lines = [line.partition(":")[2].split() for line in recap.splitlines() if ":" in line]
    counts = [dict(word.split("=") for word in line) for line in lines]
    if len(counts) != boxes or any(int(one["failed"]) or int(one["unreachable"]) for one in counts):
        sys.stderr.write(output)
        raise SandboxError("ansible: not every host succeeded, see above")
    return sum(int(one["changed"]) for one in counts)
