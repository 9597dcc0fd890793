"""Report a host's CUDA libraries as JSON: `cuda_libraries.py CONFIGURATION FOLDER,FOLDER… SONAME,SONAME…`.

Runs on the host's own python3. The driver's libraries (libcuda, libnvidia-*) are not looked at: the host of the
container brings them.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable

FAMILY = re.compile(
    r"lib(cudart|cublas|cublasLt|cudnn\w*|cufft|cufftw|curand|cusolver|cusolverMg|cusparse|nvrtc|nvrtc-builtins"
    r"|nvJitLink|nccl|nvinfer\w*|nvonnxparser)\.so\.[0-9.]+"
)


def find(folders: Iterable[str]) -> dict[str, set[str]]:
    """Real files by soname-like name; a link and its target are one copy."""
    found: dict[str, set[str]] = {}
    for top in folders:
        for folder, _, names in os.walk(top):
            for library, name in ((FAMILY.fullmatch(name), name) for name in names):
                if library:
                    found.setdefault(library[1], set()).add(os.path.realpath(os.path.join(folder, name)))
    return found


def owners(paths: Iterable[str]) -> set[str]:
    """The distribution packages that brought `paths`; a file that no package brought has none."""
    found = subprocess.run(["dpkg-query", "-S", *paths], capture_output=True, text=True, errors="replace", check=False)
    return {line.partition(":")[0] for line in found.stdout.splitlines() if not line.startswith("diversion ")}


def loadable(soname: str) -> bool:
    """Whether the loader finds `soname` and everything it needs."""
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def read(path: str) -> str:
    """The text of a file, empty when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def main(configuration: str, folders: str, sonames: str) -> None:
    """Print the report. The first folder is the environment, which keeps its own copies."""
    environment, *others = filter(None, folders.split(","))
    found, own = find([environment, *others]), find([environment])
    second = [path for library, paths in found.items() if library in own for path in paths - own[library]]
    report = {
        "surplus": sorted(owners(second)) if second else [],
        "folders": sorted({os.path.dirname(path) for paths in found.values() for path in paths}),
        "copies": {family: sorted(paths) for family, paths in found.items() if len(paths) > 1},
        "configured": read(configuration).split(),
        "unloadable": [name for name in filter(None, sonames.split(",")) if not loadable(name)],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
