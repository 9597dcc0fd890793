"""Install a locked requirement set into a folder of its own: complete and read-only, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from operations.remote.pinned_wheel import NotFetched
from operations.remote.uv_environment import uv_environment
from operations.remote.uv_program import bring_uv
from operations.remote.uv_said import follow, reason
from operations.remote.uv_settings import configured
from operations.remote.whole_folder import clear, note, replace


class Unexpected(Exception):
    """Why what was installed cannot be used, in one line."""


def run(request: Mapping[str, Any]) -> int:
    """Make the folder that the request describes; 0, or 1 after one line on stderr, the old folder untouched.

    Keys: dest, text (of the set), name (of its file), without (patterns of what is not kept), borrowed (pattern of one
    file -> the file of the distribution that stands in for it), index (a URL, or `default`), uv (its locked requirement
    set), made_from (what is noted in the folder when it is complete).
    """
    os.umask(0o022)
    dest = Path(request["dest"])
    new, old, work = (dest.with_name(f"{dest.name}.{step}") for step in ("new", "old", "work"))
    try:
        clear(new, old, work)
        new.mkdir(parents=True)
        work.mkdir(mode=0o700)
        status, output = install(request, new, work)
        clear(work)
        if status == 0:
            trim(new, request["without"], request["borrowed"])
            finish(new, request)
            replace(dest, new, old)
    except (OSError, ValueError, NotFetched, Unexpected) as error:
        status, output = 1, [str(error)]
    if status:
        for folder in (new, work):
            shutil.rmtree(folder, ignore_errors=True)
        print(f"packages: {reason(output)}", file=sys.stderr, flush=True)
    return 1 if status else 0


def install(request: Mapping[str, Any], new: Path, work: Path) -> tuple[int, list[str]]:
    """Have uv, in the folder `work`, unpack the set into `new`; its status and all its lines."""
    said = configured(Path(sys.prefix))
    uv = bring_uv(request["uv"], request["index"], said, work)
    listed = work / request["name"]
    listed.write_text(request["text"], encoding="utf-8")
    command = [str(uv), "pip", "install", "--python", sys.executable, "--target", str(new), "--only-binary", ":all:"]
    command += ["--require-hashes", "--no-deps", "--requirements", str(listed)]
    status, output = follow(command, uv_environment(request["index"], said, work))
    (new / ".lock").unlink(missing_ok=True)  # uv's own, of this run
    return status, output


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
    note(new, request["made_from"])
