"""Make a virtual environment of a locked requirement set, with a uv that goes again: `uv_venv.py FOLDER SET UV`.

A build of the Dockerfile gets pyinfra so. Standard library only, and no pip: Debian's Python has none.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from operations.remote.pinned_wheel import NotFetched
from operations.remote.uv_environment import OWN_INDEX, uv_environment
from operations.remote.uv_program import bring_uv
from operations.remote.uv_said import follow, reason
from operations.remote.uv_settings import configured


def make(folder: Path, listed: Path, uv_locked: str) -> str:
    """Make the environment `folder` of the requirement set `listed` with the uv that the set `uv_locked` locks, from
    the index that the machine's pip is configured for; why it could not be, in one line, or nothing.

    Bytecode is compiled, and believed whatever the clock says: what is made again is the same, byte by byte, and so are
    the image layers that are made with it. Raises `NotFetched`, ``OSError`` and ``ValueError``.
    """
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", folder], check=True)
    work = folder.with_name(f"{folder.name}.work")
    work.mkdir(mode=0o700)
    try:
        said = configured(folder)
        uv = bring_uv(uv_locked, OWN_INDEX, said, work)
        command = [str(uv), "pip", "install", "--python", f"{folder}/bin/python", "--only-binary", ":all:"]
        command += ["--compile-bytecode", "--require-hashes", "--no-deps", "--requirements", str(listed)]
        variables = uv_environment(OWN_INDEX, said, work) | {"PYC_INVALIDATION_MODE": "UNCHECKED_HASH"}
        status, output = follow(command, variables)
    finally:
        shutil.rmtree(work)
    return reason(output) if status else ""


def main(words: Sequence[str]) -> int:
    """The command line; 0, or 1 after one line on stderr."""
    folder, listed, uv = map(Path, words)
    try:
        failed = make(folder, listed, uv.read_text(encoding="utf-8"))
    except (NotFetched, OSError, ValueError, subprocess.CalledProcessError) as error:
        failed = reason([str(error)])
    if failed:
        print(f"packages: {failed}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
