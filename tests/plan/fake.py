"""pyinfra's own command line against hosts that exist nowhere (`@fake`): a plan without a target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visomaster_host.host import Host

from spec.distribution import Release
from spec.here import ROOT

PYINFRA = Path(sys.executable).parent / "pyinfra"
WITHIN = 60
"""Seconds for one run; it takes about two."""

CANARY = {"VNC_PASSWORD": "c4n4ryPw", "OPEN_BUTTON_TOKEN": "canary-token-0123456789"}
"""Secrets that the person at the controller may have in the environment: none of them may reach a plan."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One planned operation: `commands` are all texts it would send, commands of a shell and contents of files.

    It has several `names` where pyinfra runs it at once on hosts that call it differently.
    """

    names: tuple[str, ...]
    function: str
    arguments: Mapping[str, Any]
    commands: tuple[str, ...]

    @property
    def name(self) -> str:
        """What a person sees while it runs."""
        return " / ".join(self.names)


@dataclass(frozen=True, kw_only=True)
class Fake:
    """A host that has nothing yet, whatever it says of itself: its distribution release and its data."""

    name: str
    release: str
    data: Mapping[str, object]
    described: Host | None = None

    def entry(self) -> tuple[str, dict[str, object]]:
        """The host as an inventory lists it."""
        identifier, _, version = self.release.rpartition("-")
        answers = {"/etc/os-release": [f"ID={identifier}", f'VERSION_ID="{version}"'], "db:Status-Status": [""]}
        if self.described:
            answers["-- /etc/visomaster/host.json ; fi"] = self.described.as_json().splitlines()
        return f"@fake/{self.name}", {"fake_responses": answers, **self.data}


def run(folder: Path, hosts: Sequence[Fake], *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of pyinfra over `hosts`, in `folder` whatever folder that is: the deploy finds its own files."""
    inventory = folder / "inventory.py"
    inventory.write_text(f"hosts = {[host.entry() for host in hosts]!r}\n", encoding="utf-8")
    fast = {"PYINFRA_FAKE_DELAY": "0", "PYINFRA_FAKE_DELAY_JITTER": "0", "PYINFRA_PROGRESS": "off"}
    return subprocess.run(
        [PYINFRA, inventory, *arguments],
        cwd=ROOT,
        env={**os.environ, **fast, **CANARY, "PLAN_RECORD": str(folder / "record")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )


def plan(folder: Path, hosts: Sequence[Fake]) -> dict[str, list[Operation]]:
    """The operations planned for each of `hosts`, by the host's name and in order; nothing is run."""
    done = run(folder, hosts, "deploy.py", "tests/plan/record.py", "--dry", "--json")
    assert done.returncode == 0, done.stderr
    # The order over all hosts is worked out last, for this: it is where a cycle would show.
    assert json.loads(done.stdout)["plan"]
    records = map(json.loads, (folder / "record").read_text(encoding="utf-8").splitlines())
    return {record["host"].removeprefix("@fake/"): _operations(record["operations"]) for record in records}


def _operations(records: list[dict[str, Any]]) -> list[Operation]:
    lists = ("names", "commands")
    return [Operation(**{**record, **{key: tuple(record[key]) for key in lists}}) for record in records]


def on(release: Release, name: str, **data: object) -> Fake:
    """An empty host of `release` with the sandbox's application."""
    return Fake(name=name, release=release, data={"application": "sandbox", **data})
