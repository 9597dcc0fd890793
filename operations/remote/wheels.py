"""Install a locked requirement set into a folder of its own: complete and read-only, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from operations.remote.pip_environment import pip_environment
from operations.remote.pip_requirements import follow, reason
from operations.remote.wheels_state import RECORD, listing, python_version


class Unexpected(Exception):
    """Why what was installed cannot be used, in one line."""


def run(request: Mapping[str, Any]) -> int:
    """Make the folder that the request describes; 0, or 1 after one line on stderr, the old folder untouched.

    Keys: dest, text (of the set), name (of its file), without (patterns of what is not kept), borrowed (pattern of one
    file -> the file of the distribution that stands in for it), index (a URL, or `default`), made_from (what is noted
    in the folder when it is complete).
    """
    os.umask(0o022)
    dest = Path(request["dest"])
    new, old = dest.with_name(f"{dest.name}.new"), dest.with_name(f"{dest.name}.old")
    try:
        clear(new, old)
        new.mkdir(parents=True)
        status, output = install(request, new)
        if status == 0:
            trim(new, request["without"], request["borrowed"])
            finish(new, request)
            replace(dest, new, old)
    except subprocess.CalledProcessError as error:
        status, output = 1, f"{error.stdout}\n{error.stderr}".splitlines()
    except (OSError, Unexpected) as error:
        status, output = 1, [f"ERROR: {error}"]
    if status:
        shutil.rmtree(new, ignore_errors=True)
        print(f"packages: {reason(output)}", file=sys.stderr, flush=True)
    return 1 if status else 0


def clear(*folders: Path) -> None:
    """Remove what an earlier run that was killed has left."""
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)


def install(request: Mapping[str, Any], new: Path) -> tuple[int, list[str]]:
    """Have pip unpack the set into `new`; its status and all its lines. The pip is of an environment that is thrown
    away: a distribution's Python has none.
    """
    with tempfile.TemporaryDirectory(prefix="visomaster-wheels.") as work:
        python = make_venv(Path(work, "venv"))
        listed = Path(work, request["name"])
        listed.write_text(request["text"], encoding="utf-8")
        command = [python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        command += ["--no-cache-dir", "--progress-bar", "off", "--no-warn-script-location", "--no-compile"]
        command += ["--root-user-action", "ignore", "--only-binary", ":all:", "--require-hashes", "--no-deps"]
        command += ["--target", str(new), "--requirement", str(listed)]
        return follow(command, pip_environment(python, request["index"]))


def make_venv(folder: Path) -> str:
    """The Python of a new virtual environment with pip. Raises `subprocess.CalledProcessError`, with what was said."""
    python = str(folder / "bin" / "python")
    for command in (
        [sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)],
        [python, "-I", "-m", "ensurepip", "--default-pip"],  # venv would run it too, but not say why it failed
    ):
        subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)
    return python


def trim(folder: Path, without: Sequence[str], borrowed: Mapping[str, str]) -> None:
    """Remove what `without` names below `folder`, and lead what `borrowed` names to the distribution's own file.

    Raises `Unexpected` for a borrowed file that is not there exactly once, or whose stand-in is missing.
    """
    places = {}
    for pattern, target in borrowed.items():
        found = list(folder.glob(pattern))
        if len(found) != 1 or not Path(target).is_file():
            raise Unexpected(f"expected one {pattern}, and {target} to stand in for it; found {len(found)}")
        places[found[0]] = target
    for path in {path for pattern in without for path in folder.glob(pattern)} | set(places):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    for place, target in places.items():
        place.symlink_to(target)


def finish(new: Path, request: Mapping[str, Any]) -> None:
    """Keep the set beside what was made from it, compile everything, and note that it is complete."""
    (new / request["name"]).write_text(request["text"], encoding="utf-8")
    # As it will be called, for tracebacks. What cannot be compiled cannot be imported, and says so then.
    whole = [sys.executable, "-I", "-m", "compileall", "-q", "-s", str(new), "-p", request["dest"], str(new)]
    subprocess.run(whole, capture_output=True, check=False)
    record = {"made_from": request["made_from"], "python": python_version(), "files": listing(new)}
    (new / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")


def replace(dest: Path, new: Path, old: Path) -> None:
    """Put `new` in the place of `dest`. A program that runs from the old one keeps the files that it has open."""
    if dest.exists() or dest.is_symlink():
        dest.rename(old)
    new.rename(dest)
    clear(old)
