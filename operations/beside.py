"""What takes long and needs little, started while the rest is done, and waited for where it is needed.

What is started outlives the connection, and the run: one that fails elsewhere leaves it at work, and the next run
finds it. It is an early start and nothing more: the operations that come after the wait ask for what there is, as ever,
and do what is left. `visomaster-fetch` and apt have locks: where two are at work, one waits for the other.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyinfra import host
from pyinfra.api import FunctionCommand, operation
from visomaster_host.fetch.manifest import load_manifest

from operations import remote
from operations.debian_files import unpack_command
from operations.facts.beside import FetchedManifest, Started
from operations.facts.dpkg import MissingPackages
from operations.facts.unpacked import UnpackedFiles
from operations.models import fetch_command
from operations.packages import install_command

FOLDER = "/run/visomaster-beside-{}"
"""Where it is noted what runs, and what it says, by its name: root's alone."""
GOES_ON = "goes_on"
"""Under this, a host's `connector_data` has what runs there beside, for `controller.ending` to tell of."""
PACKAGES, MODELS = "packages", "models"


@operation()
def installing(names: Sequence[str], unpacked: Sequence[Mapping[str, Any]] = ()) -> Generator[FunctionCommand]:
    """Start to install the packages `names`, and then to unpack files of others, each as `debian_files.unpacked` is
    called.

    Nothing where no package is missing: what else is, is little. What an earlier run has started goes on.
    """
    missing = host.get_fact(MissingPackages, names=tuple(names))
    if not missing:
        host.noop(f"{len(names)} packages are installed")
        return
    commands = [install_command(missing)]
    for files in unpacked:
        if not host.get_fact(UnpackedFiles, folder=files["dest"]).versions:
            commands.append(unpack_command(**files))
    yield from _started(PACKAGES, commands, replaces=False)


@operation()
def fetching(manifest: str, wanted: Path, mirrors: Mapping[str, str]) -> Generator[FunctionCommand]:
    """Start to fetch the required files of the host's `manifest`, which says what `wanted` says; `mirrors` as for
    `models.fetched`.

    Nothing where all of them were fetched once. A fetch that was started otherwise is ended: it could be at something
    that cannot be had, and what it has is not lost.
    """
    digest = load_manifest(wanted).digest()
    if host.get_fact(FetchedManifest) == digest:
        host.noop("the required models were fetched")
        return
    command = shlex.join(fetch_command(manifest, link=False, mirrors=mirrors))
    yield from _started(MODELS, [command], replaces=True, more=digest)


@operation()
def waited(name_of: str) -> Generator[FunctionCommand]:
    """Wait for what was started under the name `name_of`, and pass on what it says; fails as it fails.

    Nothing where nothing was. Where it was cut off the operations after this one find out what is left.
    """
    folder = FOLDER.format(name_of)
    started = host.get_fact(Started, folder=folder)
    begun: set[str] = host.connector_data.get(GOES_ON, set())
    ours = name_of in begun
    begun.discard(name_of)
    if not started:
        host.noop(f"nothing is at work on {name_of}")
        return
    yield remote.job("beside", {"folder": folder, "ours": ours})


def _started(name: str, commands: Sequence[str], *, replaces: bool, more: str = "") -> Generator[FunctionCommand]:
    key = hashlib.sha256(json.dumps([commands, more]).encode()).hexdigest()
    request = {"folder": FOLDER.format(name), "commands": commands, "key": key, "replaces": replaces}
    yield remote.job("beside", request)
    host.connector_data.setdefault(GOES_ON, set()).add(name)
